"""Read foreign JSON and report every fault in words. Pure.

The rules are those of the types (msgspec Structs with Meta), from which schemas/ is also generated.
One more rule applies to every text and integer: Postgres must be able to store it. msgspec checks
types fast but stops at the first fault, so `faults` then finds all of them. All input is read here:
the API, MQTT, people's files, and the records of Kafka.
"""

import json
from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from parking.core.errors import UNREADABLE, Invalid
from parking.wire.typefaults import UNSTORABLE, faults

T = TypeVar("T")

# A value that cannot be stored, or that passes a pattern's $ because of a final newline, needs an
# escape in JSON or this many digits. msgspec has checked the rest. One regular expression for both
# would take longer than reading the JSON.
_ESCAPE: Final = b"\\"
_DIGITS: Final = b"0" * 19
_ZEROS: Final = bytes.maketrans(b"123456789", b"0" * 9)


def read(data: bytes, of: type[T], *, strict: bool = False) -> T:
    """Read JSON as a value of this type. If `strict`, unknown fields are faults at any depth.
    Raises Invalid `bad-json`, or `bad-schema` with every fault."""
    value = _decoded(data, of, strict)
    if strict or _ESCAPE in data or _DIGITS in data.translate(_ZEROS):
        _check(msgspec.json.decode(data), of, strict)
    return value


def check_written(data: bytes, of: type[Any]) -> None:
    """Check that JSON which we wrote ourselves has the form of this type. Its texts and integers
    are those of values that `read` has accepted, so they can be stored. Raises Invalid like
    `read`."""
    _decoded(data, of, strict=False)


def convert(value: Any, of: type[T], *, strict: bool = False) -> T:
    """Convert parsed JSON to a value of this type. Raises Invalid("bad-schema") with every
    fault."""
    _check(value, of, strict)
    try:
        return msgspec.convert(value, of)
    except msgspec.ValidationError as error:  # from a rule that `faults` does not know
        raise Invalid("bad-schema", str(error), [str(error)]) from error


def storable(text: str, limit: int = 500) -> str:
    """Make any text fit a field of an event by truncating it and removing characters that cannot be
    stored."""
    return UNSTORABLE.sub("\ufffd", text[:limit])


def _decoded(data: bytes, of: type[T], strict: bool) -> T:
    try:
        value: T = _decoder(of).decode(data)  # type: ignore[arg-type] # types are hashable
    except UNREADABLE as error:
        raise _refusal(data, of, error, strict) from error
    return value


def _check(value: Any, of: type[Any], strict: bool) -> None:
    found = faults(value, of, strict=strict)
    if found:
        raise Invalid("bad-schema", "; ".join(found), found)


def _refusal(data: bytes, of: type[Any], error: Exception, strict: bool) -> Invalid:
    """The reason for the refusal. Python's own decoder also reads JSON that msgspec does not
    accept: half of a surrogate pair, and numbers beyond a double."""
    try:
        found = faults(json.loads(data, parse_constant=_no_number), of, strict=strict)
    except (ValueError, RecursionError):
        found = []
    if found:
        return Invalid("bad-schema", "; ".join(found), found)
    schema = isinstance(error, msgspec.ValidationError)
    return Invalid("bad-schema" if schema else "bad-json", str(error))


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


@cache
def _decoder(of: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(of)
