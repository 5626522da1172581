"""The device's firmware: everything that an update replaces, apart from hal/ and boards/.

Nothing here imports hardware: the board's functions are passed in as one object (hal/). `RELEASE`
only grows: an update with a lower number is refused.
"""

VERSION = "0.1.0"
RELEASE = 1
