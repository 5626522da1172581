"""A small client of the gateway's event stream, for benchmarks and tests.

It reconnects like a browser: with the last event's id, after a short pause.
"""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx


class Arrival(NamedTuple):
    """One event, and when its last byte arrived (time.monotonic, seconds)."""

    event: str
    id: str
    data: Any
    at_s: float


@dataclass
class Listener:
    """Collects every event of `url` in `events`, on a thread, until closed."""

    url: str
    events: list[Arrival] = field(default_factory=list)
    last_id: str = ""

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(5)

    def of(self, event: str) -> list[Any]:
        """Return the data of all events of one name, in order."""
        return [arrival.data for arrival in list(self.events) if arrival.event == event]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except httpx.HTTPError:
                self._stop.wait(0.3)

    def _listen(self) -> None:
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        # The gateway pings every 15 s, so a longer silence means a dead connection.
        timeout = httpx.Timeout(10, read=20)
        with httpx.stream("GET", self.url, headers=headers, timeout=timeout) as response:
            response.raise_for_status()
            for event, event_id, data in _events(response.iter_lines()):
                if self._stop.is_set():
                    return
                self.last_id = event_id or self.last_id
                arrival = Arrival(event, event_id, json.loads(data), time.monotonic())
                self.events.append(arrival)


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (event, id, data) for each event in the stream. Comments (pings) are skipped."""
    event, event_id, data = "message", "", ""
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            event = value
        elif name == "id":
            event_id = value
        elif name == "data":
            data += value
        elif not line and data:
            yield event, event_id, data
            event, event_id, data = "message", "", ""
