"""Measure the detector's accuracy, and whether it reports unknown where it cannot be sure."""
