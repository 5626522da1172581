"""What the detector learns on a camera's first day survives a restart, on real Kafka."""

import asyncio

import pytest

from parking.core.events import LookLearned
from parking.core.topics import LOOKS
from parking.vision.usual import DAY_MS
from parking.wire import codec
from parking.wire.ports import Outgoing
from tests.components.test_usual_look import PICTURES, small, washed_out
from tests.stack.test_detector import Lot
from tests.stack.test_detector import lot as lot
from tests.support.detector_tools import frame, jpeg

pytestmark = pytest.mark.stack

DAY_BEGAN_MS = 1_700_000_000_000


def picture(lot: Lot, number: int) -> Outgoing:
    """Return a picture taken two hours after the one before."""
    shown = washed_out(small(3 * number % 48))
    time_ms = DAY_BEGAN_MS + number * DAY_MS // (PICTURES - 1)
    lot.sent.append(f"{lot.camera}/1/{number}")
    return frame(jpeg(shown), number, lot.camera, width=480, height=320, time_ms=time_ms)


async def test_a_first_day_is_learnt_and_known_to_the_next_process(lot: Lot) -> None:
    await lot.send_layout()
    await lot.send([picture(lot, number) for number in range(PICTURES)])
    lot.start(DETECTOR_SKIP="off")
    health = [event.health.status for event in await lot.until_reported()]
    assert health.count("fogged") > PICTURES / 2
    learnt = [codec.decode(one) for one in await lot.read(LOOKS, lot.camera)]
    assert isinstance(learnt[-1], LookLearned)
    assert learnt[-1].usual is not None
    await asyncio.to_thread(lot.infra.stop, "detector")
    await lot.send([picture(lot, PICTURES)])
    lot.start(DETECTOR_SKIP="off")
    last = (await lot.until_reported())[-1]
    assert (last.health.status, last.health.usual) == ("ok", ["fogged"])
