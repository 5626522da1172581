"""A responder that answers a search for ONVIF cameras (WS-Discovery) on 127.0.0.1."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SERVICE = "http://192.168.1.20/onvif/device_service"
_ANSWER = """<s:Envelope xmlns:s="x"><s:Body><d:ProbeMatches><d:ProbeMatch>
<w:RelatesTo>uuid:{id}</w:RelatesTo><d:Types>dn:NetworkVideoTransmitter</d:Types>
<d:Scopes>onvif://www.onvif.org/name/Front%20door onvif://www.onvif.org/hardware/IPC-1
onvif://www.onvif.org/Profile/S</d:Scopes>
<d:XAddrs>{service} http://[fe80::1]/x</d:XAddrs>
</d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"""


class Responder(asyncio.DatagramProtocol):
    """A camera, a stranger and a babbler behind one address."""

    def __init__(self, service: str) -> None:
        self._service = service

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        asked = data.decode().partition("uuid:")[2].partition("<")[0]
        answers = [_ANSWER.format(id=one, service=self._service) for one in (asked, "another")]
        for text in (*answers, "\x00\xff" * 9):
            self.transport.sendto(text.encode(), addr)  # type: ignore[attr-defined]


@asynccontextmanager
async def responding(service: str = SERVICE) -> AsyncIterator[tuple[str, int]]:
    """Yield the address to which the search must be sent. The camera says that its service is
    there."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Responder(service), local_addr=("127.0.0.1", 0), family=socket.AF_INET
    )
    try:
        yield transport.get_extra_info("sockname")
    finally:
        transport.close()
