"""The end of a process: its exit status, also in words, and the children it leaves behind."""

import asyncio
import contextlib
import os
import signal
from typing import Final

EXIT_POLL_S: Final = 0.05


async def exit_of(process: asyncio.subprocess.Process) -> int:
    """Wait for its exit status. process.wait() would also wait for everything that inherited its
    output."""
    while process.returncode is None:  # noqa: ASYNC110 -- asyncio has no event for this
        await asyncio.sleep(EXIT_POLL_S)
    return process.returncode


def kill_group(leader: int) -> None:
    """End the processes that a process left behind in its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def status_text(status: int) -> str:
    """Describe an exit status in words."""
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
