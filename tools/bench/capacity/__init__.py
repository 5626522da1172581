"""Measure how many cameras this computer serves with this code, earlier code, and a plain loop."""
