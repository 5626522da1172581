"""What the persister reports while it waits."""

from parking.core.errors import Retryable
from parking.runtime.memory import ManualClock
from parking.runtime.metrics import STILL_SECONDS
from parking.runtime.ops import Health
from services.persister.outage import WHAT, Outage


def seconds(cause: str) -> float:
    (metric,) = STILL_SECONDS.labels(cause).collect()
    return float(metric.samples[0].value)


def test_the_wait_is_named_with_its_beginning_and_grows_until_it_ends():
    health, clock = Health(), ManualClock(1_795_000_000_000)
    outage = Outage(health, clock)
    outage.say(Retryable("Postgres has no disk space left", "postgres-full"))
    words = health.waiting[WHAT]
    assert words.startswith("Postgres has no disk space left (since 2026-")
    clock.advance(12_000)
    assert seconds("postgres-full") == 12
    outage.say(Retryable("Postgres has no disk space left", "postgres-full"))
    assert health.waiting[WHAT] == words
    outage.end()
    assert (health.waiting, seconds("postgres-full")) == ({}, 0)


def test_an_outage_that_changes_its_cause_keeps_its_beginning():
    health, clock = Health(), ManualClock(1_795_000_000_000)
    outage = Outage(health, clock)
    outage.say(Retryable("Postgres has no disk space left", "postgres-full"))
    clock.advance(5_000)
    outage.say(Retryable("connection refused", "postgres"))
    clock.advance(1_000)
    assert (seconds("postgres-full"), seconds("postgres")) == (0, 6)
    outage.end()
    outage.end()
    assert (health.waiting, seconds("postgres")) == ({}, 0)
