"""A frozen Kafka is reported within seconds, and no process is ended because of it."""

from parking.core.errors import Retryable
from parking.runtime.memory import ManualClock
from parking.runtime.metrics import STILL_SECONDS
from parking.runtime.ops import Health
from parking.runtime.pulse import ANSWER_LIMIT_S, EVERY_S, WHAT, Pulse


class Kafka:
    def __init__(self) -> None:
        self.away = False

    async def ask(self) -> None:
        if self.away:
            raise Retryable("no answer")


def watched() -> tuple[Kafka, Health, ManualClock, list[int | None], Pulse]:
    kafka, health, clock, changes = Kafka(), Health(), ManualClock(), list[int | None]()
    return kafka, health, clock, changes, Pulse(kafka.ask, health, clock, changes.append)


def still_s() -> float:
    return float(STILL_SECONDS.labels("kafka")._value.get())  # noqa: SLF001


async def test_since_when_it_has_not_answered_is_the_time_of_its_last_answer():
    kafka, health, clock, changes, pulse = watched()
    await pulse.look()
    answered_ms = clock.now_ms()
    kafka.away = True
    for _ in range(3):
        await clock.sleep(5)
        await pulse.look()
    assert "has not answered since" in health.waiting[WHAT]
    assert (changes, still_s(), health.failing) == ([answered_ms], 15, {})


async def test_all_is_well_again_with_its_first_answer():
    kafka, health, clock, changes, pulse = watched()
    kafka.away = True
    await pulse.look()
    kafka.away = False
    await clock.sleep(1)
    await pulse.look()
    await pulse.look()
    assert (health.waiting, changes[1:], still_s()) == ({}, [None], 0)


def test_it_is_noticed_within_ten_seconds():
    assert EVERY_S + ANSWER_LIMIT_S < 10
