"""The `parking` command."""
