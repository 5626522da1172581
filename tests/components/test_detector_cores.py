"""How many threads a detector uses, and what the comparison of runtimes reports."""

import sys

import pytest

from services.detector.bench import Row, peak_mb, table
from services.detector.cores import threads_for, usable_cores


def rows(onnx_ms: float, openvino_ms: float, threads: int = 2) -> list[Row]:
    both = (("onnx", onnx_ms), ("openvino", openvino_ms))
    return [Row("model", name, threads, 640, ms, 200) for name, ms in both]


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
