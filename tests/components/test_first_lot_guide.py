"""docs/first-lot.md names texts that the page has, and its script makes a folder that plays."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from parking.core.lots import check, layouts_from_annotations
from tools.simulator.footage import load
from tools.stack.settings import ROOT

GUIDE = (ROOT / "docs" / "first-lot.md").read_text("utf-8")
MESSAGES = ROOT / "dashboard" / "src" / "shared" / "messages" / "en.json"


def test_every_bold_text_is_a_text_of_the_page() -> None:
    messages = json.loads(MESSAGES.read_text("utf-8"))
    texts = {text for text in messages.values() if isinstance(text, str)}
    named = {" ".join(text.split()) for text in re.findall(r"\*\*([^*]+)\*\*", GUIDE)}
    assert named
    assert named <= texts


def test_the_script_for_recordings_makes_a_folder_that_plays(tmp_path: Path) -> None:
    yard = tmp_path / "yard"
    yard.mkdir()
    for name in ("000.jpg", "001.jpg"):
        shutil.copy(ROOT / "demo" / "north" / name, yard)
    [script] = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
    code = "\n".join(line.removeprefix("   ") for line in script.splitlines())
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True, timeout=60)
    footage = load(yard)
    assert [shot.path.name for shot in footage.shots["cam1"]] == ["000.jpg", "001.jpg"]
    [layout] = layouts_from_annotations(
        footage.annotations, footage.site_id, interval_ms=5000, time_ms=0
    )
    assert (layout.camera_id, check(layout)) == ("yard/cam1", [])
