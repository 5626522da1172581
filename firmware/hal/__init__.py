"""The hardware of a real board; firmware/sim/ has the one that is not there."""
