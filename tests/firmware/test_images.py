"""Which image boots in every case. A file that does not compile is reported."""

import subprocess
from pathlib import Path

import pytest

from tests.firmware.running import report
from tools.boards import image


def test_a_power_cut_at_any_write_never_boots_nothing_nor_a_bad_image_too_often():
    result = report("trial_cuts")
    assert result["cuts"] == 5 * result["writes"] > 0, "every cut bit"
    assert result["worst"] <= result["max"] == 3
    assert (result["empty"], result["not_good"]) == (0, 0)


def test_a_file_that_does_not_compile_is_refused(tmp_path: Path):
    file = tmp_path / "bad.py"
    file.write_text("def f(:\n", "utf-8")
    with pytest.raises(subprocess.CalledProcessError):
        image.compile_to(file, tmp_path / "bad.mpy")


@pytest.mark.timeout(120)  # two whole builds
def test_an_image_is_the_same_bytes_whenever_it_is_built(tmp_path: Path):
    for name in ("one", "two"):
        image.build(image.FIRMWARE, tmp_path / name, 7, "0.7.0")
    one, two = ((tmp_path / name / "manifest.json").read_bytes() for name in ("one", "two"))
    assert one == two
