"""One file a board: which pin is what."""
