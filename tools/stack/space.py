"""Free space on the disk that holds the stack's data: when it is too little, and when it is enough
again."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MB: Final = 1_000_000
LOW_BYTES: Final = 100 * _MB
ENOUGH_BYTES: Final = 250 * _MB


@dataclass(slots=True)
class Space:
    """The free bytes of a folder's file system. A process that ends while fewer than `low` are free
    is restarted only once there are `enough`, because before that it would only end again."""

    folder: Path
    low_bytes: int = LOW_BYTES
    enough_bytes: int = ENOUGH_BYTES

    def free_bytes(self) -> int:
        """The current value, or the parent folder's value while this folder does not exist yet."""
        folder = self.folder
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        return shutil.disk_usage(folder).free

    def is_low(self) -> bool:
        """Whether there is too little to start something that writes."""
        return self.free_bytes() < self.low_bytes

    def is_enough(self) -> bool:
        """Whether there is enough to go on."""
        return self.free_bytes() >= self.enough_bytes

    def reason(self) -> str:
        """Describe it for people."""
        free, enough = self.free_bytes() // _MB, self.enough_bytes // _MB
        return f"the disk of {self.folder} is full ({free} MB free): it continues at {enough} MB"
