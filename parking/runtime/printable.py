"""Text for a log or a terminal. Pure.

Text from outside is made safe: control characters are escaped.

A device chooses its client id, topics and payloads. Written raw, they could move a terminal's
cursor, colour or overwrite lines, or start a line of their own.
"""

import re
from datetime import UTC, datetime
from typing import Final

# C0 except tab, DEL and C1, line and paragraph separators, and characters that reverse the text
# direction.
_UNSAFE: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def one_line(text: str) -> str:
    """`text` on one line, with each unsafe character as `\\x1b` or `\\u202e`."""
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)


def utc(time_ms: int) -> str:
    """A time (Unix ms) for people: `2026-11-30 18:00:00 UTC`."""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def lines(text: str) -> str:
    """Like `one_line`, but line breaks stay."""
    return "\n".join(map(one_line, text.split("\n")))
