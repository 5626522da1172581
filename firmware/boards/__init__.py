"""One file per board with its pins."""
