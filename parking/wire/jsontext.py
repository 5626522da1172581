"""Read JSON files as people save them: with a byte-order mark, other line endings or another
encoding. Pure."""

import codecs
import json
from typing import Any, Final

from parking.core.errors import Invalid

_MARKS: Final = (  # longest first, because UTF-32's starts with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HINTS: Final = {
    "Expecting property name": "expected a name in double quotes, or there is an extra comma "
    "before this place",
    "Expecting ',' delimiter": "expected a comma, or the end of the list or object",
    "Expecting ':' delimiter": "expected a colon after the name",
    "Expecting value": "expected a value (an extra comma, single quotes, or a cut-off file?)",
    "Unterminated string": "the string that starts here has no closing quote",
    "Invalid control character": "a line break or tab inside a string is written \\n or \\t",
    "Invalid \\": "a backslash in a string is written twice, as in C:\\\\pictures",
    "Extra data": "unexpected text after the end of the JSON",
}


def plain(data: bytes) -> bytes:
    """The file as UTF-8 without a mark. Raises Invalid("bad-encoding") with the place."""
    encoding = "utf-8"
    for mark, name in _MARKS:
        if data.startswith(mark):
            data, encoding = data[len(mark) :], name
            break
    try:
        return data.decode(encoding).encode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02X}"
        detail = f"line {line}: {byte} is not {encoding.upper()}: save the file as UTF-8"
        raise Invalid("bad-encoding", detail) from error


def parse(data: bytes) -> Any:
    """The file's content. Raises Invalid `bad-encoding` or `bad-json`, with line and column."""
    text = plain(data).decode()
    if not text.strip():
        raise Invalid("bad-json", "the file is empty")
    try:
        return json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        hint = next((h for sign, h in _HINTS.items() if error.msg.startswith(sign)), error.msg)
        detail = f"line {error.lineno}, column {error.colno}: not JSON: {hint}"
        raise Invalid("bad-json", detail) from error
    except (ValueError, RecursionError) as error:
        raise Invalid("bad-json", f"not JSON: {str(error)[:200]}") from error


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a number")
