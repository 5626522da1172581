"""Follow the event stream, and resume after a crash without missing an event.

python examples/sse_resume.py http://127.0.0.1:8080/api/events last-event-id

The second argument is a file that stores the id of the last processed event. The client sends it in
the header Last-Event-ID, as a browser's EventSource does, and the gateway sends the missed events.
If the gateway no longer has them, it sends `reset` and a `snapshot` of everything.
"""

import http.client
import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PINGS_S = 15  # a stream that is silent for longer is broken


def follow(url: str, last_id: str) -> Iterator[tuple[str, str, str]]:
    """Yield (event, id, data) for each event of one connection. Comments are pings."""
    request = urllib.request.Request(url, headers={"Last-Event-ID": last_id} if last_id else {})
    with urllib.request.urlopen(request, timeout=2 * PINGS_S) as response:
        event, event_id, data = "message", last_id, ""
        for line in (raw.decode().rstrip("\r\n") for raw in response):
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
                event, data = "message", ""


def keep(file: Path, event_id: str) -> None:
    """Write the file atomically, because a crash in the middle of a write must not empty it."""
    new = file.with_suffix(".new")
    new.write_text(event_id, "utf-8")
    new.replace(file)


def main() -> None:
    """Print every event as one line of JSON, forever."""
    url, kept = sys.argv[1], Path(sys.argv[2])
    while True:
        try:
            last_id = kept.read_text("utf-8") if kept.exists() else ""
            for event, event_id, data in follow(url, last_id):
                print(json.dumps({"event": event, "data": json.loads(data)}), flush=True)
                keep(kept, event_id)  # only after the event was processed
        except (OSError, http.client.HTTPException) as error:
            print(f"again in 2 s: {error}", file=sys.stderr)
        time.sleep(2)


if __name__ == "__main__":
    main()
