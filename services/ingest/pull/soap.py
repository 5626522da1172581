"""SOAP 1.2 as ONVIF uses it: write requests and read answers. Pure.

Answers are untrusted. The caller limits their length, and they are refused if they define anything
(a DTD), which SOAP forbids. Elements are found by their local names, because cameras differ in
everything else.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from parking.core.errors import Invalid
from services.ingest.pull.camerafile import Credential

Element = ElementTree.Element

_ENVELOPE: Final = "http://www.w3.org/2003/05/soap-envelope"
_OASIS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_DENIED: Final = ("notauthorized", "failedauthentication", "unauthorized")
_TEXT_CHARS: Final = 120


class SoapFault(Exception):
    """The camera refused a request. `denied` means that the right login was missing; the text is
    the camera's own and is fit to be shown."""

    def __init__(self, text: str, *, denied: bool) -> None:
        super().__init__(text)
        self.denied = denied


@dataclass(frozen=True, slots=True)
class Call:
    """A request: `name` in a service's `namespace`, with the XML `inner`."""

    namespace: str
    name: str
    inner: str = ""

    @property
    def content_type(self) -> str:
        """The content type of the HTTP request."""
        return f'application/soap+xml; charset=utf-8; action="{self.namespace}/{self.name}"'


@dataclass(frozen=True, slots=True)
class Signature:
    """The proof of a login (WS-Security UsernameToken, PasswordDigest). `time_s` is in Unix seconds
    by the camera's clock, because a camera refuses other times."""

    login: Credential
    time_s: float
    nonce: bytes

    def header(self) -> str:
        """Return the XML of the SOAP header. It does not contain the password."""
        created = datetime.fromtimestamp(self.time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        secret = self.nonce + created.encode() + self.login.password.encode()
        # The standard's own hash of a nonce, the time and the password.
        digest = b64encode(hashlib.sha1(secret, usedforsecurity=False).digest()).decode()
        return (
            f'<Security xmlns="{_OASIS}wssecurity-secext-1.0.xsd"><UsernameToken>'
            f"<Username>{escape(self.login.username)}</Username>"
            f'<Password Type="{_OASIS}username-token-profile-1.0#PasswordDigest">'
            f"{digest}</Password>"
            f'<Nonce EncodingType="{_OASIS}soap-message-security-1.0#Base64Binary">'
            f"{b64encode(self.nonce).decode()}</Nonce>"
            f'<Created xmlns="{_OASIS}wssecurity-utility-1.0.xsd">{created}</Created>'
            "</UsernameToken></Security>"
        )


def request(call: Call, signature: Signature | None = None) -> bytes:
    """Return the body of the HTTP request."""
    header = f"<s:Header>{signature.header()}</s:Header>" if signature else ""
    body = f'<{call.name} xmlns="{call.namespace}">{call.inner}</{call.name}>'
    envelope = f'<s:Envelope xmlns:s="{_ENVELOPE}">{header}<s:Body>{body}</s:Body></s:Envelope>'
    return f'<?xml version="1.0" encoding="utf-8"?>{envelope}'.encode()


class _NoDefinitions(ElementTree.TreeBuilder):
    """Refuses entities, and so their expansion, before they are read."""

    def doctype(self, *_: str | None) -> None:
        """Called at the start of a DTD."""
        raise Invalid("not-onvif", "the answer defines XML entities")


def answer(data: bytes) -> Element:
    """Return the element inside the answer's body. Raises SoapFault, and Invalid("not-onvif")."""
    # _NoDefinitions protects against entities; the caller limits the length.
    parser = ElementTree.XMLParser(target=_NoDefinitions())  # noqa: S314 -- see above
    try:
        parser.feed(data)
        root = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise Invalid("not-onvif", "the answer is not XML") from error
    body = find(root, "Body") if local(root) == "Envelope" else None
    if body is None or not len(body):
        raise Invalid("not-onvif", "the answer is not a SOAP envelope")
    inner = body[0]
    if local(inner) == "Fault":
        raise _fault(inner)
    return inner


def _fault(fault: Element) -> SoapFault:
    codes = " ".join(part for one in fault.iter() if (part := (one.text or "").strip()))
    denied = any(word in codes.lower().replace(" ", "") for word in _DENIED)
    words = text(fault, "Text") or text(fault, "faultstring") or codes
    return SoapFault(shown(words) or "without a reason", denied=denied)


def local(element: Element) -> str:
    """Return the element's name without the namespace."""
    return element.tag.rpartition("}")[2]


def every(element: Element, *names: str) -> Iterator[Element]:
    """Yield all elements inside that have one of the names."""
    return (one for one in element.iter() if local(one) in names and one is not element)


def find(element: Element, *names: str) -> Element | None:
    """Return the first element inside that has one of the names."""
    return next(every(element, *names), None)


def text(element: Element | None, *names: str) -> str:
    """Return the text of the first such element, or "" if there is none."""
    found = find(element, *names) if element is not None else None
    return (found.text or "").strip() if found is not None else ""


def number(element: Element | None, *names: str) -> int:
    """Return the same text as a whole number from 0 to 999999, or 0 if it is none."""
    value = text(element, *names).partition(".")[0]
    return int(value) if value.isascii() and value.isdigit() and len(value) < 7 else 0


def shown(words: str) -> str:
    """Return a camera's text for a terminal or a log: short, printable, and on one line."""
    return "".join(c if c.isprintable() else " " for c in words[:_TEXT_CHARS]).strip()
