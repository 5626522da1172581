"""Slots proposed from where vehicles stop over a recording."""
