"""Events, states and rules: no clock, no I/O, no pictures."""
