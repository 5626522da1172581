"""Which runtime, how many threads: the rule, the cache, and what happens without either."""

import json
import logging
import sys

import pytest

from services.detector import choice
from services.detector.bench import Row, peak_mb, pick, table
from services.detector.choice import FILE, backend_for
from services.detector.cores import threads_for, usable_cores
from tests.detector_tools import model_file

MODEL_ID = "model@00000000"


def rows(onnx_ms: float, openvino_ms: float, threads: int = 2) -> list[Row]:
    both = (("onnx", onnx_ms), ("openvino", openvino_ms))
    return [Row("model", name, threads, 640, ms, 200) for name, ms in both]


@pytest.mark.parametrize(
    ("onnx_ms", "openvino_ms", "expected"),
    [(40, 20, "openvino"), (40, 35, "openvino"), (40, 38, "onnx"), (40, 60, "onnx")],
)
def test_the_larger_runtime_must_be_clearly_faster(onnx_ms, openvino_ms, expected):
    assert pick(rows(onnx_ms, openvino_ms), 2) == expected


def test_a_runtime_that_does_not_run_is_not_taken():
    assert pick(rows(40, 20)[:1], 2) == "onnx"
    assert pick(rows(40, 50)[1:], 2) == "openvino"
    assert pick(rows(40, 20, threads=1), 2) == "onnx"  # measured with other threads


def test_the_table_holds_every_row_and_compares_within_a_size():
    shown = table([*rows(40, 20), Row("model", "onnx", 2, 960, 100.0, 250)])
    assert "| model | 640 | openvino | 2 | 20.0 | 2.00x | 200 |" in shown
    assert "| model | 960 | onnx | 2 | 100.0 | 1.00x | 250 |" in shown


def test_a_processs_memory_is_its_own():
    assert 0 < peak_mb() < 10_000 or not sys.platform.startswith("linux")


# ---------------------------------------------------------------- threads
@pytest.mark.parametrize(
    ("quota", "expected"), [("100000 100000", 1), ("50000 100000", 1), ("x", None), ("max 1", None)]
)
def test_a_containers_limit_counts(tmp_path, quota, expected):
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    free = usable_cores(tmp_path / "absent")
    assert usable_cores(file) == (expected or free)


@pytest.mark.parametrize(
    ("wanted", "processes", "cores", "expected"),
    [(0, 1, 2, 2), (0, 2, 2, 1), (0, 4, 2, 1), (0, 1, 64, 4), (0, 4, 8, 2), (3, 4, 8, 3)],
)
def test_processes_share_the_cores(wanted, processes, cores, expected):
    assert threads_for(wanted, processes, cores) == expected


# ---------------------------------------------------------------- measured once
def test_what_was_measured_is_kept_and_not_measured_again(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    said = json.dumps({"pick": "openvino", "rows": [{"backend": "onnx", "ms": 40.0}]})
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho once >> {tmp_path}/calls\necho '{said}'\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    cache = tmp_path / "new folder"
    for _ in range(3):
        assert backend_for(model_file(), MODEL_ID, 2, "f32", cache) == "openvino"
    assert (tmp_path / "calls").read_text() == "once\n"
    assert "onnx 40.0 ms" in caplog.text
    backend_for(model_file(), MODEL_ID, 1, "f32", cache)  # other threads, another measurement
    assert (tmp_path / "calls").read_text() == "once\n" * 2
    assert len(json.loads((cache / FILE).read_text())) == 2


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 1}'])
def test_a_cache_that_cannot_be_used_is_no_reason_not_to_start(tmp_path, monkeypatch, content):
    (tmp_path / FILE).write_text(content)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no such program"))
    assert backend_for(model_file(), MODEL_ID, 2, "f32", tmp_path) == choice.FALLBACK


@pytest.mark.parametrize("script", ["echo no json", "exit 3", "echo '{}'"])
def test_a_measurement_that_fails_falls_back_and_is_not_kept(tmp_path, monkeypatch, caplog, script):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    assert backend_for(model_file(), MODEL_ID, 2, "f32", tmp_path) == "onnx"
    assert "nothing measured" in caplog.text
    assert not (tmp_path / FILE).exists()
