"""Read what somebody else wrote, and tell every fault of it in words. Pure.

The rules are those of the types (msgspec Structs with Meta), from which schemas/ is generated too,
and one for every text and whole number among them: Postgres must be able to store it. msgspec
checks types fast and stops at the first fault; `faults` then finds all of them. Every door reads
through here: the API, MQTT, files that people bring, and the records of Kafka.
"""

import json
import re
from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from parking.errors import UNREADABLE, Invalid
from parking.typefaults import UNSTORABLE, faults

T = TypeVar("T")

# What could not be stored, or hides behind a pattern's $ (a last newline), needs an escape in JSON,
# or so many digits: all else msgspec has checked.
_SUSPECT: Final = re.compile(rb"\\|\d{19}")


def read(data: bytes, of: type[T], *, strict: bool = False) -> T:
    """The JSON as a value of this type. `strict`: fields that the type does not know are faults, at
    any depth. Raises Invalid `bad-json` or, with every fault, `bad-schema`."""
    try:
        value: T = _decoder(of).decode(data)  # type: ignore[arg-type] # types are hashable
    except UNREADABLE as error:
        raise _refusal(data, of, error, strict) from error
    if strict or _SUSPECT.search(data):
        _check(msgspec.json.decode(data), of, strict)
    return value


def convert(value: Any, of: type[T], *, strict: bool = False) -> T:
    """What JSON was read as, as a value of this type. Raises Invalid("bad-schema") with every
    fault."""
    _check(value, of, strict)
    try:
        return msgspec.convert(value, of)
    except msgspec.ValidationError as error:  # a rule that `faults` does not know
        raise Invalid("bad-schema", str(error), [str(error)]) from error


def storable(text: str, limit: int = 500) -> str:
    """Text for a field of an event, of which nothing is known: cut, without what could not be
    stored."""
    return UNSTORABLE.sub("\ufffd", text[:limit])


def _check(value: Any, of: type[Any], strict: bool) -> None:
    found = faults(value, of, strict=strict)
    if found:
        raise Invalid("bad-schema", "; ".join(found), found)


def _refusal(data: bytes, of: type[Any], error: Exception, strict: bool) -> Invalid:
    """Why it is refused. Python's own decoder also reads what msgspec calls no JSON at all: half of
    a surrogate pair, numbers beyond a double."""
    try:
        found = faults(json.loads(data, parse_constant=_no_number), of, strict=strict)
    except (ValueError, RecursionError):
        found = []
    if found:
        return Invalid("bad-schema", "; ".join(found), found)
    schema = isinstance(error, msgspec.ValidationError)
    return Invalid("bad-schema" if schema else "bad-json", str(error))


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


@cache
def _decoder(of: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(of)
