"""Propose slots from where vehicles stop in a recording."""
