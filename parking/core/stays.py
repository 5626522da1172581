"""Pure functions for stays: how to sort them, when a stay ends without an exit, the stays of one
plate, and which stays to remember. parking/core/pairing.py makes stays from passages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from parking.core.events import ParametersSet
from parking.core.passages import Passage, PlatePassages
from parking.core.site import Gates, OpenSession, Stay

_DAY_MS: Final = 86_400_000
_MINUTE_MS: Final = 60_000

Ending = Literal["entered-again", "maximum-stay", "empty-time", "recount", "too-many-open"]
Outcome = Literal["open"] | Ending | Passage | None
"""The outcome of a stay: open, ended for a reason, or closed by an exit. None if it was not known
before."""


def end_of_stay(entry_at_ms: int, parameters: ParametersSet) -> tuple[int, Ending] | None:
    """When and why a stay without an exit ends, or None if it never does. A later entry never ends
    earlier."""
    ends: list[tuple[int, Ending]] = []
    if parameters.maximum_stay_ms is not None:
        ends.append((entry_at_ms + parameters.maximum_stay_ms, "maximum-stay"))
    if parameters.empty_at_min is not None:
        shift_ms = parameters.empty_at_min * _MINUTE_MS
        days = (entry_at_ms - shift_ms) // _DAY_MS + 1
        ends.append((days * _DAY_MS + shift_ms, "empty-time"))
    return min(ends, default=None)


def entry_key(session: OpenSession) -> tuple[int, str]:
    """The order of sessions."""
    return session.entry_at_ms, session.session_id


def exit_key(passage: Passage) -> tuple[int, str]:
    """The order of exits."""
    return passage.time_ms, passage.id


def stay_entry(stay: Stay) -> tuple[int, str]:
    """Sort stays by their entries."""
    return entry_key(stay.entry)


def stay_exit(stay: Stay) -> tuple[int, str]:
    """Sort stays by their exits, with the same result."""
    return exit_key(stay.exit)


def passage_key(passage: Passage) -> tuple[int, bool, str]:
    """Sort passages; at the same time, the entry comes first."""
    return passage.time_ms, passage.direction == "exit", passage.id


def session_of(entry: Passage) -> OpenSession:
    """The session that an entry begins."""
    return OpenSession(
        session_id=entry.id,
        entry_at_ms=entry.time_ms,
        gate_id=entry.gate_id,
        plate_hash=entry.plate_hash,
    )


@dataclass(slots=True)
class Changes:
    """The sessions changed by one record, in order and keyed by id, each with its outcome before
    and now."""

    before: dict[str, Outcome] = field(default_factory=dict)
    now: dict[str, tuple[OpenSession, Outcome]] = field(default_factory=dict)
    strays: dict[str, tuple[Passage, bool]] = field(default_factory=dict)

    def note(self, session: OpenSession, before: Outcome, now: Outcome) -> None:
        """Note a session's new outcome."""
        self.before.setdefault(session.session_id, before)
        self.now[session.session_id] = (session, now)

    def note_stray(self, passage: Passage, now: bool) -> None:
        """Note that an exit became a stray or stopped being one. The two cancel out."""
        if passage.id in self.strays:
            del self.strays[passage.id]
        else:
            self.strays[passage.id] = (passage, now)


def pair_plate(passages: list[Passage]) -> tuple[dict[str, Outcome], list[Passage]]:
    """Return the outcome of each entry, keyed by id (`open` if it has no end so far), and the exits
    without an entry. `passages` are those of one plate, in order."""
    outcomes: dict[str, Outcome] = {}
    strange: list[Passage] = []
    inside: Passage | None = None
    for passage in passages:
        if passage.direction == "entry":
            if inside is not None:
                outcomes[inside.id] = "entered-again"
            outcomes[passage.id] = "open"
            inside = passage
        elif inside is not None:
            outcomes[inside.id] = passage
            inside = None
        else:
            strange.append(passage)
    return outcomes, strange


def gates_of(sessions: Sequence[OpenSession]) -> Gates:
    """Return what is remembered about sessions that an older version opened."""
    plates = {
        session.plate_hash: [
            Passage(
                time_ms=session.entry_at_ms,
                id=session.session_id,
                gate_id=session.gate_id,
                direction="entry",
                plate_hash=session.plate_hash,
            )
        ]
        for session in sessions
        if session.plate_hash is not None
    }
    return Gates(plates=PlatePassages(plates))


def forget_before(
    gates: Gates, time_ms: int, strays_ms: int, sessions: Sequence[OpenSession]
) -> Gates:
    """Return what is remembered from `time_ms` on, with strays from `strays_ms` on and the plates
    of open sessions."""
    inside = {session.plate_hash for session in sessions}
    plates = {
        plate: passages
        for plate, passages in gates.plates.items()
        if passages[-1].time_ms >= time_ms
        or plate in inside
        or (passages[-1].time_ms >= strays_ms and pair_plate(passages)[1])
    }
    return Gates(
        stays=[stay for stay in gates.stays if stay.exit.time_ms >= time_ms],
        ended=[session for session in gates.ended if session.entry_at_ms >= time_ms],
        strays=[passage for passage in gates.strays if passage.time_ms >= strays_ms],
        plates=PlatePassages(plates),
        misread=[plate for plate in gates.misread if plate in plates],
        counted_at_ms=gates.counted_at_ms,
    )
