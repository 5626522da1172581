"""Repair heads of HTTP and RTSP answers for parsers that are stricter than cameras. Pure."""

import re
from typing import Final

_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DIGEST: Final = re.compile(rb"\bDigest\s+.*", re.I)
_CHALLENGE: Final = b"www-authenticate"
_INTERIM: Final = re.compile(rb"HTTP/1\.\d 1\d\d")
MAX_HEAD_BYTES: Final = 16_384
END: Final = re.compile(rb"\r?\n\r?\n")
"""The empty line that ends a head, with or without carriage returns."""


def fields_of(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return the header fields after the first line, with their names as sent. A line without a
    valid name is left out. If Digest is offered, in its own field or after Basic in the same field,
    it is the only challenge that is kept, so that no password is sent in clear text."""
    fields = []
    for line in head.splitlines()[1:]:
        name, colon, value = line.partition(b":")
        if colon and _NAME.fullmatch(name.strip()):
            fields.append((name.strip(), value.strip()))
    digests = [
        (name, found[0])
        for name, value in fields
        if name.lower() == _CHALLENGE and (found := _DIGEST.search(value))
    ]
    if digests:
        fields = [field for field in fields if field[0].lower() != _CHALLENGE] + digests
    return fields


def value_of(fields: list[tuple[bytes, bytes]], name: bytes) -> bytes:
    """Return the last value of a field, or b"" if there is none. `name` is in lower case."""
    return next((value for key, value in reversed(fields) if key.lower() == name), b"")


def joined(first_line: bytes, fields: list[tuple[bytes, bytes]]) -> bytes:
    """Return a head with its empty line."""
    lines = [first_line, *(name + b": " + value for name, value in fields)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def repair(data: bytes) -> bytes | None:
    """Return the start of an HTTP answer with its head repaired, or None while the head is
    incomplete. Data that is not HTTP, or too long, is left for the parser to reject."""
    end = END.search(data, 0, MAX_HEAD_BYTES)
    if not data.startswith(b"HTTP/"[: len(data)]) or (not end and len(data) > MAX_HEAD_BYTES):
        return data
    if end is None:
        return None
    head, rest = data[: end.end()], data[end.end() :]
    first = head.splitlines()[0]
    fields = fields_of(head)
    if _INTERIM.match(first):
        return repair(rest) if rest else None
    ends_with_connection = b"close" in value_of(fields, b"connection").lower()
    if value_of(fields, b"content-length") == b"0" and ends_with_connection:
        # Some cameras use this status although they do send a picture.
        fields = [field for field in fields if field[0].lower() != b"content-length"]
    return joined(first, fields) + rest
