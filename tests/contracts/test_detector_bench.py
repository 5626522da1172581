"""The measurement that DETECTOR_BACKEND=auto relies on, with the real runtimes."""

import subprocess
import sys

import pytest

from services.detector.bench import BACKENDS, Plan, measure
from services.detector.choice import backend_for
from services.detector.runtimes import load_model
from services.detector.settings import ModelSettings
from tests.detector_tools import model_file

pytestmark = pytest.mark.timeout(120)


def test_every_runtime_is_measured_in_a_process_of_its_own():
    found = measure(Plan((model_file(),), (1,), (160, 320), 2))
    assert [(r.backend, r.size_px) for r in found] == [(b, s) for s in (160, 320) for b in BACKENDS]
    assert all(row.ms > 0 and 50 < row.memory_mb < 600 for row in found)


def test_a_file_that_is_no_model_leaves_nothing(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"\x08\x08")
    assert measure(Plan((tmp_path / "model.onnx",), (1,), (160,), 1)) == []


def test_auto_measures_keeps_the_answer_and_runs_the_model(tmp_path):
    settings = ModelSettings(model_file(), "auto", "f32", 1, 0, 640, 1, cache=tmp_path)
    detector, _ = load_model(settings)
    assert (tmp_path / "detector-backend.json").exists()
    assert backend_for(model_file(), detector.model_id, 1, "f32", tmp_path) in BACKENDS


def test_the_command_prints_a_table_and_what_it_takes():
    command = [sys.executable, "-m", "parking", "bench-detector", "--threads", "1"]
    done = subprocess.run(
        [*command, "--sizes", "160", "--rounds", "1"],
        capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    assert "| openvino | 1 |" in done.stdout
    assert "DETECTOR_BACKEND=auto takes" in done.stdout
