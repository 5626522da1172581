"""Run a script of dashboard/e2e against a running system."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tools.stack import node
from tools.stack.settings import ROOT

E2E = ROOT / "dashboard" / "e2e"
CACHE = ROOT / ".state" / "cache"
SCREENSHOTS = ROOT / ".state" / "screenshots"


def watch(
    script: Path, arguments: Sequence[str], wishes: Mapping[str, Callable[[], object]]
) -> list[str]:
    """Run the script and return the steps that passed. When a line names a wish, call it. Fail with
    the whole output if the script's exit status is not 0."""
    index = ROOT / "dashboard" / "dist" / "index.html"
    assert index.exists(), "the dashboard is not built: make dashboard"
    output = []
    command = [str(node.NODE), str(script), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as check:
        try:
            assert check.stdout is not None
            for line in check.stdout:
                output.append(line)
                wishes.get(line.strip(), lambda: None)()
            check.wait(30)
        finally:
            check.kill()
    assert check.returncode == 0, "".join(output)
    return [line.strip() for line in output if line.startswith("ok: ")]
