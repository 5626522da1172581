"""Only the bad records among good ones become dead letters. Sent again after the fix, each original
is in its topic once more, and only once. Kafka and the tracker are real."""

import os
import re
import time
from collections.abc import Iterator

import pytest

from parking.core.events import SlotClosed, StateCorrected
from parking.core.topics import (
    DEAD_LETTERS,
    DETECTIONS,
    GATE_EVENTS,
    SESSIONS,
    SITE_COMMANDS,
    SLOT_CHANGES,
)
from parking.wire import codec
from parking.wire.deadletters import REPLAYED_FROM, Letter, letter_of
from parking.wire.ports import Outgoing, Record
from tests.support.tracker_log import as_record, read, send
from tests.support.tracking import Teller
from tests.support.waiting import wait_until
from tools.cli.__main__ import main
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infra]:
    """Run Kafka alone with a tracker, because the test must know all dead letters that there
    are."""
    paths = Paths(tmp_path_factory.mktemp("letters") / "state", ROOT / ".state" / "cache")
    with Infra(paths, os.environ, parts=("kafka",)) as running:
        running.start_service("tracker", {"TRACKER_SESSION_S": "6", "TRACKER_TICK_S": "0.5"})
        yield running
        running.stop("tracker")


class Site:
    """One site's records in Kafka."""

    def __init__(self, infra: Infra, site_id: str) -> None:
        self.infra = infra
        self.key = site_id.encode()
        self.teller = Teller(site_id)
        self.teller.now_ms = time.time_ns() // 1_000_000

    def of(self, *topics: str) -> list[Record]:
        return [r for r in read(self.infra, *topics) if r.key == self.key]

    def letters(self) -> list[Letter]:
        return [letter_of(record) for record in self.of(DEAD_LETTERS)]

    def replayed(self) -> list[Record]:
        sources = self.of(DETECTIONS, GATE_EVENTS, SITE_COMMANDS)
        return [r for r in sources if codec.header(r, REPLAYED_FROM)]

    def changes(self) -> list[tuple[str, str, int]]:
        events = [codec.decode(record) for record in self.of(SLOT_CHANGES)]
        shown = [(e.slot_id, e.to_state, e.version) for e in events]  # type: ignore[union-attr]
        return sorted(change for change in shown if change[1] in ("closed", "occupied"))

    def sessions(self) -> int:
        return len({codec.decode(record).id for record in self.of(SESSIONS)})

    def wait_sessions(self, count: int) -> None:
        wait_until(lambda: self.sessions() >= count, 40, f"{count} sessions")


def replay(capsys: pytest.CaptureFixture[str], *arguments: str) -> int:
    """Return the number of dead letters that the command reports as sent, or as ready to send."""
    main(["dead-letters", "replay", *arguments])
    count = re.search(r"^(\d+) (sent|would be sent)$", capsys.readouterr().out, re.M)
    assert count is not None
    return int(count[1])


def poison(site: Site, other: Teller) -> list[Outgoing]:
    """Return records of four kinds that no fix can repair."""
    t, key = site.teller, site.key
    return [
        Outgoing(DETECTIONS, key, b"{", as_record(t.see("a", {}), DETECTIONS).headers),
        Outgoing(GATE_EVENTS, key, b"\x00\xff", ()),
        Outgoing(GATE_EVENTS, key, b'{"id":""}', as_record(t.gate("entry", 1), "").headers),
        codec.outgoing(other.see("b", {}), DETECTIONS, t.site_id, "test"),
    ]


def send_among(infra: Infra, good: list[Outgoing], bad: list[Outgoing]) -> list[tuple[int, int]]:
    """Send a bad record after each good one. Return where the bad ones lie."""
    placed = []
    for number, message in enumerate(good):
        placed += send(infra, [message, *bad[number : number + 1]])[1:]
    return placed


def test_poison_becomes_letters_and_after_the_fix_each_is_sent_again_once(
    tracker: Infra, unique, monkeypatch, capsys
):
    monkeypatch.setenv("KAFKA_BOOTSTRAP", tracker.bootstrap)
    site = Site(tracker, unique("site"))
    t = site.teller
    unknown = [
        as_record(t.command(SlotClosed(slot_id="2")), SITE_COMMANDS),
        as_record(t.command(StateCorrected(slot_id="3", state="occupied")), SITE_COMMANDS),
    ]
    bad = poison(site, Teller(unique("other")))
    good = [as_record(t.gate("entry", n), GATE_EVENTS) for n in range(2, 10)]
    placed = send_among(tracker, good, [*bad, *unknown])
    site.wait_sessions(len(good))
    wait_until(lambda: len(site.letters()) >= 6, 40, "six letters")

    # Exactly those, each with its bytes, key, place and reason.
    found = {
        (x.event.topic, x.event.partition, x.event.offset, x.record.value, x.event.reason)
        for x in site.letters()
    }
    reasons = ["bad-json", "no-type", "bad-schema", "wrong-key", "unknown-slot", "unknown-slot"]
    assert found == {
        (message.topic, *place, message.value, reason)
        for message, place, reason in zip([*bad, *unknown], placed, reasons, strict=True)
    }
    assert len(site.letters()) == 6

    # The fix: a layout that names the slots. Only the requested letters are sent.
    send(tracker, [as_record(t.adopt("a", "1", "2", "3"), SITE_COMMANDS)])
    wait_until(lambda: site.of(SLOT_CHANGES), 40, "adopted slots")
    assert replay(capsys, "--reason", "unknown-slot", "--dry-run") == 2
    assert site.replayed() == []
    assert replay(capsys, "--reason", "unknown-slot") == 2
    again = {(r.topic, r.value, r.headers[:-1]) for r in site.replayed()}
    assert again == {(m.topic, m.value, m.headers) for m in unknown}
    expected = [("2", "closed", 2), ("3", "occupied", 2)]
    wait_until(lambda: site.changes() == expected, 40, "the commands to work")

    # A second time nothing; with --again once more, which the tracker recognises by the ids.
    assert replay(capsys, "--reason", "unknown-slot") == 0
    assert len(site.replayed()) == 2
    assert replay(capsys, "--reason", "unknown-slot", "--again") == 2
    assert len(site.replayed()) == 4

    # A record that is not fixed becomes a letter again, and the tracker continues.
    assert replay(capsys, "--reason", "bad-json", "--reason", "no-type") == 2
    wait_until(lambda: len(site.letters()) == 8, 40, "the two letters again")
    send(tracker, [as_record(t.gate("entry", 20), GATE_EVENTS)])
    site.wait_sessions(len(good) + 1)
    assert site.changes() == expected

    main(["dead-letters", "list", "--topic", SITE_COMMANDS, "--since", "1h"])
    listed = capsys.readouterr().out
    assert listed.count("replayed\n") == 2
    assert "2 letters: 2 unknown-slot" in listed
    name = next(x.name for x in site.letters() if x.event.reason == "no-type")
    main(["dead-letters", "show", name])
    assert "\\x00\\xff" in capsys.readouterr().out
