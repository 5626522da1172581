"""The sectors of the 128 kB `ring` partition."""

BOOTS = 0  # two sectors: the boot counter
SLOTS = 2  # two sectors: which image boots
RING = 4  # the rest: gate events
SECTORS = 32
