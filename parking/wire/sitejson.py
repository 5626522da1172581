"""Convert a site's state to JSON and back, for checkpoints. Pure."""

from typing import Any, Final, TypeVar

import msgspec

from parking.core.passages import Passage, PlatePassages

T = TypeVar("T")


def to_json(value: Any) -> bytes:
    """A site, or a value that contains sites, as JSON."""
    return _ENCODER.encode(value)


def from_json(data: bytes, of: type[T]) -> T:
    """The value from JSON. Raises msgspec.DecodeError if it is not one."""
    return msgspec.json.decode(data, type=of, dec_hook=_read)


def _write(value: Any) -> Any:
    if isinstance(value, PlatePassages):
        return dict(value)
    raise NotImplementedError(f"{type(value)} is not a part of a site")


def _read(of: type, value: Any) -> Any:
    if of is PlatePassages:
        return PlatePassages(msgspec.convert(value, dict[str, list[Passage]]))
    raise NotImplementedError(f"{of} is not a part of a site")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_write)
