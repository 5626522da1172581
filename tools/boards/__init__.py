"""Simulated boards: the files of firmware/ under the MicroPython unix port, one process per
board."""
