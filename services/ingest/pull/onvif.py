"""Find ONVIF cameras: send one WS-Discovery request by multicast and collect the answers.

This is our own code because it takes one datagram each way, and the available libraries either need
a whole SOAP stack for it or are no longer maintained
(docs/decisions/0015-cameras-that-are-asked.md). Answers are untrusted text, so they are searched
for a few short values and never parsed as XML.
"""

import asyncio
import re
import socket
import uuid
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

GROUP: Final = ("239.255.255.250", 3702)
_MAX_ANSWERS: Final = 1_000
_MAX_BYTES: Final = 65_535
_PROBE: Final = """<?xml version="1.0" encoding="utf-8"?>
<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"
 xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:n="http://www.onvif.org/ver10/network/wsdl"><e:Header>
<w:MessageID>uuid:{id}</w:MessageID>
<w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>
<w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action>
</e:Header><e:Body><d:Probe><d:Types>n:NetworkVideoTransmitter</d:Types></d:Probe></e:Body>
</e:Envelope>"""
_ADDRESSES: Final = re.compile(r"<(?:[\w-]+:)?XAddrs[^>]*>([^<]{1,2000})<")
_SCOPE: Final = re.compile(r"onvif://www\.onvif\.org/(?:hardware|name)/([^\s<]{1,100})")
_UNSAFE: Final = re.compile(r"[^\x21-\x7e]")


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """A camera that answered: its address, the name it gives itself, and the URL of its service."""

    address: str
    model: str
    service: str

    def row(self) -> tuple[str, str, str]:
        """The row that the table shows."""
        return self.address, self.model, self.service


def answer(data: bytes, address: str, question: str) -> Found | None:
    """Parse an answer; return None if it does not answer the request with the id `question`."""
    text = data[:_MAX_BYTES].decode("utf-8", "replace")
    places = _ADDRESSES.search(text)
    if places is None or f"uuid:{question}" not in text:
        return None
    names = dict.fromkeys(unquote(name) for name in _SCOPE.findall(text))
    service = places[1].split()[0] if places[1].split() else ""
    # The text is shown on a terminal, so control characters are removed.
    return Found(address, _shown(" / ".join(names)), _shown(service))


def _shown(text: str) -> str:
    return _UNSAFE.sub(" ", text)[:120]


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, question: str) -> None:
        self._question = question
        self.found: set[Found] = set()
        self.unsent: OSError | None = None

    def error_received(self, exc: Exception) -> None:
        """asyncio calls this when the request cannot be sent."""
        self.unsent = exc if isinstance(exc, OSError) else self.unsent

    def datagram_received(self, data: bytes, addr: Any) -> None:
        one = answer(data, str(addr[0]), self._question)
        if one is not None and len(self.found) < _MAX_ANSWERS:
            self.found.add(one)


async def discover(wait_s: float, group: tuple[str, int] = GROUP) -> list[Found]:
    """Ask once and listen for `wait_s` seconds. Raises OSError when the request cannot be sent."""
    question = str(uuid.uuid4())
    loop = asyncio.get_running_loop()
    transport, answers = await loop.create_datagram_endpoint(
        lambda: _Answers(question), family=socket.AF_INET
    )
    try:
        transport.sendto(_PROBE.format(id=question).encode(), group)
        if answers.unsent is not None:
            raise answers.unsent
        await asyncio.sleep(wait_s)
    finally:
        transport.close()
    return sorted(answers.found)
