"""Every point at which a test kills a service: between an effect and what follows it."""

from typing import Any, Final, NamedTuple

import pytest

from tests.support.waiting import nightly

RUNS: Final = 10


class Point(NamedTuple):
    """`comes_again` says whether work in progress at that point was not acknowledged yet."""

    name: str
    comes_again: bool = True
    runs: int = RUNS

    @property
    def service(self) -> str:
        return self.name.partition(".")[0]


INGEST: Final = (
    Point("ingest.before-kafka"),
    Point("ingest.after-kafka"),
    Point("ingest.after-reply"),
    Point("ingest.after-picture"),
)
DETECTOR: Final = (
    Point("detector.in-hand"),
    Point("detector.after-tell"),
    Point("detector.before-commit"),
    Point("detector.after-commit", comes_again=False),
)
CONSUMERS: Final = (
    Point("tracker.after-fence", comes_again=False),
    Point("tracker.before-write"),
    Point("tracker.in-transaction"),
    Point("tracker.after-write", comes_again=False),
    Point("tracker.after-ticks", comes_again=False),
    Point("persister.after-object"),
    Point("persister.after-dead-letters"),
    Point("persister.after-rows", comes_again=False),
    Point("persister.after-commit", comes_again=False),
    Point("analytics.after-minutes"),
    Point("analytics.after-outputs"),
    Point("analytics.after-write"),
    Point("analytics.after-beat", comes_again=False),
)
NOTIFIER: Final = (
    Point("notifier.before-kafka"),
    Point("notifier.after-kafka"),
    Point("notifier.after-layout"),
)
EVERY: Final = (*INGEST, *DETECTOR, *CONSUMERS, *NOTIFIER)
AT_EACH_PUSH: Final = (
    "tracker.in-transaction",
    "persister.after-object",
    "analytics.after-outputs",
)


def params(points: tuple[Point, ...]) -> list[Any]:
    short = [point._replace(runs=1) for point in points if point.name in AT_EACH_PUSH]
    return [pytest.param(p, id=f"{p.name}-once") for p in short] + [
        pytest.param(*nightly(p).values, marks=pytest.mark.nightly, id=p.name) for p in points
    ]
