"""Plates that were read a little differently at the exit."""

from typing import Any

import pytest

from parking.access.plates import Plates
from parking.core import pairing
from parking.core.events import Event, Recounted
from parking.core.nearplates import is_near
from parking.core.occupancy import step
from parking.core.site import Site
from parking.runtime.settings import Reader
from tests.support.tracking import Teller, fold, sessions

KEY = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"
RULE = Plates.read(Reader({"PLATES": f'{{"lot": {{"plates": "text", "key": "{KEY}"}}}}'})).of("lot")
DAY_MS = 86_400_000


def near(plate: str) -> tuple[str, ...]:
    return tuple(RULE.take("e", plate, None).plate_near)


def gate(t: Teller, direction: Any, seq: int, plate: str):
    taken = RULE.take("e", plate, None)
    return t.gate(direction, seq, plate=taken.plate_hash, near=taken.plate_near)


def reports_of(outputs: list[Event]) -> list[tuple[str, str, str | None]]:
    return [(o.session_id.split("/")[-1], o.kind, o.reason) for o in sessions(outputs)]


def run(*passages: tuple[str, str], t: Teller | None = None) -> tuple[Site, list[Any]]:
    """Return the result of entries and exits, numbered from 1."""
    t = t or Teller()
    return fold([gate(t, way, seq, plate) for seq, (way, plate) in enumerate(passages, 1)])


# ---------------------------------------------------------------- what is near
@pytest.mark.parametrize(
    ("entry", "leaving"),
    [
        ("BAB1234", "BAB1234"),
        ("OIB1234", "0181234"),  # look-alikes, any number of them
        ("BAB1234", "BAB1239"),
        ("BAB1234", "AB1234"),
        ("BAB1234", "BAB11234"),
        ("BAB1234", "BAB12345"),
        ("OIB1234", "018123X"),  # look-alikes, and one more
    ],
)
def test_one_edit_and_any_look_alikes_are_near(entry, leaving):
    assert is_near(near(entry), near(leaving))
    assert is_near(near(leaving), near(entry))


@pytest.mark.parametrize(
    ("entry", "leaving"),
    [
        ("BAB1234", "BAB1243"),  # neighbours changed places
        ("BAB1234", "AB12345"),  # all moved by one: a fleet's next plate but ten
        ("BAB1234", "BAB1299"),
        ("BAB1234", "BAB12"),
        ("ABC", "ABD"),  # too short to tell
    ],
)
def test_two_edits_are_not(entry, leaving):
    assert not is_near(near(entry), near(leaving))
    assert not is_near(near(leaving), near(entry))


def test_what_has_no_hashes_is_near_to_nothing():
    assert not is_near((), ())
    assert not is_near(near("BAB1234"), ())


# ---------------------------------------------------------------- stays
def test_a_near_exit_closes_the_stay_and_says_so():
    site, outputs = run(("entry", "BAB1234"), ("exit", "8AB1234"))
    assert reports_of(outputs)[-1] == ("1", "closed", "plate-near")
    assert site.sessions == []


def test_the_same_plate_comes_first_though_a_near_one_is_in():
    site, outputs = run(("entry", "BAB1234"), ("entry", "BAB1239"), ("exit", "BAB1239"))
    assert reports_of(outputs)[-1] == ("2", "closed", "plate")
    assert len(site.sessions) == 1


def test_neither_of_two_near_stays_is_closed():
    site, outputs = run(("entry", "BAB1234"), ("entry", "BAB1235"), ("exit", "BAB1236"))
    assert reports_of(outputs)[-1] == ("3", "corrected", "exit-without-entry")
    assert len(site.sessions) == 2


def test_the_own_exit_takes_its_stay_back_from_a_near_one():
    site, outputs = run(("entry", "BAB1234"), ("exit", "BAB1239"), ("exit", "BAB1234"))
    assert reports_of(outputs)[2:] == [
        ("1", "closed", "plate"),
        ("2", "corrected", "exit-without-entry"),
    ]
    assert site.sessions == []


def test_once_one_of_two_is_known_to_have_left_the_other_is_closed():
    """The second exit decides what the first one could not."""
    site, outputs = run(
        ("entry", "BAB1234"), ("entry", "BAB1235"), ("exit", "BAB1236"), ("exit", "BAB1235")
    )
    assert site.sessions == []
    last = {name: (kind, reason) for name, kind, reason in reports_of(outputs)}
    assert last == {
        "1": ("closed", "plate-near"),
        "2": ("closed", "plate"),
        "3": ("corrected", "entry-found"),
    }


def test_an_entry_that_comes_late_finds_its_near_exit():
    t = Teller()
    entry, leaving = gate(t, "entry", 1, "BAB1234"), gate(t, "exit", 2, "BAB1239")
    site, outputs = fold([leaving, entry])
    assert reports_of(outputs)[1:] == [
        ("1", "opened", None),
        ("1", "closed", "plate-near"),
        ("2", "corrected", "entry-found"),
    ]
    assert site.sessions == []


def test_without_near_hashes_only_the_same_plate_counts():
    t = Teller()
    _, outputs = fold([t.gate("entry", 1, plate="p"), t.gate("exit", 2, plate="q")])
    assert reports_of(outputs)[-1] == ("2", "corrected", "exit-without-entry")


# ---------------------------------------------------------------- what is forgotten
@pytest.mark.parametrize("days", [1, 5])
def test_an_exit_that_closed_a_near_stay_is_not_used_again_by_one_that_comes_late(days):
    """This also holds after its stay, which began long before it, is forgotten."""
    t = Teller()
    begin = [t.tick(), gate(t, "entry", 1, "BAB1234"), t.tick(days * DAY_MS)]
    late = gate(t, "entry", 3, "BAB1238")
    site, outputs = fold([*begin, gate(t, "exit", 2, "BAB1239"), t.tick(3_600_001)])
    assert reports_of(outputs)[-1] == ("1", "closed", "plate-near")
    site, outputs = step(site, late)
    news = [one for one in reports_of(outputs) if one[0] == "3"]
    # A day later the two stays still compete: with two that were in, the exit closes neither.
    assert news == [("3", "opened", None)]
    assert ("1", "opened", "reopened") in reports_of(outputs) or days == 5


def test_matches_stand_for_good_once_somebody_counted():
    t = Teller()
    site, _ = fold([gate(t, "entry", 1, "BAB1234"), gate(t, "exit", 2, "BAB1239")])
    site, _ = step(site, t.command(Recounted(number_in=1)))
    assert site.gates.misread == []
    _, outputs = step(site, gate(t, "exit", 3, "BAB1234"))
    assert "1" not in [name for name, _, _ in reports_of(outputs)]


def test_an_exit_from_before_a_count_closes_no_near_stay_after_it():
    t = Teller()
    begin = [gate(t, "entry", seq, plate) for seq, plate in ((1, "BAB1234"), (2, "BAB1235"))]
    site, _ = fold([*begin, gate(t, "exit", 3, "BAB1236"), t.command(Recounted(number_in=2))])
    site, outputs = step(site, gate(t, "exit", 4, "BAB1235"))
    assert reports_of(outputs) == [("2", "closed", "plate")]
    assert len(site.sessions) == 1


@pytest.mark.parametrize("limit", ["PLATE_PASSAGES", "PLATE_MEMORY"])
def test_limits_forget_both_halves_of_a_near_match(monkeypatch, limit):
    monkeypatch.setattr(pairing, limit, 2)
    t = Teller()
    site, outputs = Site(site_id="lot"), []
    firsts = range(1, 80, 4)
    for seq in firsts:
        for number, (way, plate) in enumerate(
            (
                ("entry", "BAB1234"),
                ("exit", "BAB1239"),
                ("entry", f"X{seq:02}YYY"),
                ("exit", f"X{seq:02}YYY"),
            ),
            seq,
        ):
            site, made = step(site, gate(t, way, number, plate))
            outputs += made
    near_ones = [one for one in reports_of(outputs) if one[2] == "plate-near"]
    assert near_ones == [(str(seq), "closed", "plate-near") for seq in firsts]
    assert {kind for _, kind, _ in reports_of(outputs)} == {"opened", "closed"}
    assert site.sessions == []
    assert len(site.gates.plates) <= 2 or limit == "PLATE_PASSAGES"


def test_only_plates_with_exits_of_their_own_left_are_searched_for():
    site, _ = run(("entry", "BAB1234"), ("exit", "BAB1234"), ("entry", "CCC1111"))
    assert site.gates.misread == []
    site, _ = run(("entry", "BAB1234"), ("exit", "BAB1239"))
    assert len(site.gates.misread) == 1
