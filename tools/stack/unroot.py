"""Usage: python unroot.py COMMAND... -- run as root, become `nobody` and run the command.

PostgreSQL refuses to run as root. But `nobody` could not enter a clone below /root or a private
folder, so the process keeps root's right to bypass file permissions (CAP_DAC_OVERRIDE), and only
that.
"""

import ctypes
import os
import pwd
import sys
from typing import Final

USER: Final = "nobody"
_CAP_DAC_OVERRIDE: Final = 1
_PR_SET_KEEPCAPS: Final = 8
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_CAPABILITY_VERSION_3: Final = 0x20080522


def main(command: list[str]) -> None:
    """Drop root, keep this one right, and exec the command."""
    user = pwd.getpwnam(USER)
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if libc is not None:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    if libc is not None:
        bit = 1 << _CAP_DAC_OVERRIDE
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        # Two records of effective, permitted, inheritable.
        libc.capset(header, (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0))
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)
    os.execv(command[0], command)  # noqa: S606 -- the stack's own command line, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
