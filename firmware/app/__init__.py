"""The device's firmware: everything that an update replaces, apart from hal/ and boards/.

Nothing in here imports hardware: what it needs of a board is handed to it as one object (hal/).
`RELEASE` only ever grows: an update with a lower one is refused.
"""

VERSION = "0.1.0"
RELEASE = 1
