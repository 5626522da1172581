"""`parking bench-detector` with the real runtimes."""

import subprocess
import sys

import pytest

from services.detector.bench import BACKENDS, Plan, measure
from tests.support.detector_tools import model_file

pytestmark = pytest.mark.timeout(120)


def test_every_runtime_is_measured_in_a_process_of_its_own():
    found = measure(Plan((model_file(),), (1,), (160, 320), 2))
    assert [(r.backend, r.size_px) for r in found] == [(b, s) for s in (160, 320) for b in BACKENDS]
    assert all(row.ms > 0 and 50 < row.memory_mb < 600 for row in found)


def test_an_invalid_model_file_leaves_nothing_behind(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"\x08\x08")
    assert measure(Plan((tmp_path / "model.onnx",), (1,), (160,), 1)) == []


def test_the_command_prints_a_table():
    command = [sys.executable, "-m", "tools.cli", "bench-detector", "--threads", "1"]
    done = subprocess.run(
        [*command, "--sizes", "160", "--rounds", "1"],
        capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    assert "| openvino | 1 |" in done.stdout
    assert "| onnx | 1 |" in done.stdout
