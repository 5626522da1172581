"""Read XML files as people save them. Pure.

Files are untrusted. A file is rejected if it declares anything (a DTD, and with it entities) or is
nested too deeply.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from parking.core.errors import Invalid
from parking.wire import jsontext

_MAX_DEPTH: Final = 20
_MAX_ELEMENTS: Final = 300_000


@dataclass(slots=True)
class Element:
    """An element with the line on which it starts. `text` is what it contains besides elements."""

    tag: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def every(self, tag: str) -> Iterator["Element"]:
        """The children with this name, ignoring case."""
        return (one for one in self.children if one.tag.lower() == tag.lower())

    def first(self, tag: str) -> "Element | None":
        """The first child with this name, or None."""
        return next(self.every(tag), None)

    @property
    def place(self) -> str:
        """The element's place, in words for people."""
        return f"line {self.line}, <{self.tag}>"


class _Builder:
    """Builds the tree from the parser's events."""

    def __init__(self, parser: expat.XMLParserType) -> None:
        self._parser = parser
        self._open: list[Element] = []
        self._count = 0
        self.root: Element | None = None
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MAX_ELEMENTS:
            raise Invalid("bad-xml", f"more than {_MAX_ELEMENTS} elements")
        line = self._parser.CurrentLineNumber
        if len(self._open) >= _MAX_DEPTH:
            raise Invalid(
                "bad-xml", f"line {line}: elements are nested more than {_MAX_DEPTH} deep"
            )
        element = Element(tag, attributes, line)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _characters(self, text: str) -> None:
        self._open[-1].text += text

    def _refuse(self, *_: object) -> None:
        line = self._parser.CurrentLineNumber
        raise Invalid("bad-xml", f"line {line}: a DOCTYPE or ENTITY is not accepted: remove it")


def parse(data: bytes) -> Element:
    """The root of a file. Raises Invalid `bad-encoding` or `bad-xml`, with the place. The caller
    bounds the length."""
    if not re.search(rb"<\?xml[^>]*encoding", data[:400].replace(b"\0", b"")):
        data = jsontext.plain(data)
    if not data.strip():
        raise Invalid("bad-xml", "the file is empty")
    parser = expat.ParserCreate()
    builder = _Builder(parser)
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        place = f"line {error.lineno}, column {error.offset + 1}"
        raise Invalid("bad-xml", f"{place}: not XML: {expat.ErrorString(error.code)}") from error
    except (ValueError, LookupError) as error:
        detail = f"its encoding is not known ({str(error)[:80]}): save the file as UTF-8"
        raise Invalid("bad-encoding", detail) from error
    if builder.root is None:
        raise Invalid("bad-xml", "the file has no element")
    return builder.root
