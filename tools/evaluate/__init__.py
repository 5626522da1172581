"""Measures how right the detector is, and how well it knows when it cannot be."""
