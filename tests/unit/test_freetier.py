"""The free tier's bench: the parts that read and write without a stack
(tools/bench/freetier.py)."""

from tools.bench.capacity.results import Point
from tools.bench.confined import Reading
from tools.bench.freetier import SETS, Result, table

POINT = Point(
    "confined",
    5.0,
    4,
    window_s=100.0,
    age_p50_s=0.2,
    age_p99_s=1.0,
    page_p50_s=0.4,
    page_p99_s=1.2,
    page_changes=7,
    cpu_s={"kafka": 5.0, "ingest": 3.0, "detector": 20.0, "bench": 9.0},
)
USED = {
    "backend": Reading(899.9, 610.0, 0.0, 12, 0, 40.0, 0.05),
    "detector": Reading(300.0, 290.0, 0.0, 0, 1, 20.0, 0.5),
}


def test_a_row_for_each_set_with_its_own_processor_time() -> None:
    backend, detector = table([Result(POINT, 30.0, USED)]).splitlines()[2:]
    assert backend.startswith("| 4 | backend | 900 | 610 | 0 | 12 | 0 | 0.08 | 5% |")
    assert backend.endswith("| 0.20, 1.00 | 0.40, 1.20 (7) | served |")
    assert detector.startswith("| 4 | detector | 300 | 290 | 0 | 0 | 1 | 0.20 | 50% |")


def test_what_aws_runs_on_the_backend_is_in_the_set_and_analytics_is_not() -> None:
    assert {*SETS["backend"]} >= {"kafka", "ingest", "tracker", "persister", "notifier"}
    assert SETS["detector"] == ("detector",)
    assert not any("analytics" in names for names in SETS.values())
