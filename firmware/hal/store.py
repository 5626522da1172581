"""The files of the two images, on the board's file system or on the simulated board's."""

import os


class Store:
    """`root` is the folder that holds a/ and b/ ("" on a board)."""

    def __init__(self, root):
        self._root = root

    def clear(self, slot):
        """Delete the slot's files. A generator that deletes one file per step."""
        yield from _remove(self._root + "/" + slot)

    def open(self, slot, name):
        """Open a new file of the slot for writing."""
        path = self._root + "/" + slot
        for part in name.split("/"):
            if not _exists(path):
                os.mkdir(path)
            path += "/" + part
        return open(path, "wb")


def _exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def _remove(path):
    if not _exists(path):
        return
    if os.stat(path)[0] & 0x4000:
        for name in os.listdir(path):
            if name not in (".", ".."):
                yield from _remove(path + "/" + name)
        os.rmdir(path)
    else:
        os.remove(path)
    yield
