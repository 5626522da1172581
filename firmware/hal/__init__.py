"""The hardware of a real board; firmware/sim/ simulates it."""
