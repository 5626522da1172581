"""Reading responses of ONVIF cameras: whatever arrives, the result is an element, a fault or a
reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking.core.errors import Invalid
from services.ingest.pull import media, soap
from services.ingest.pull.camerafile import Credential

NS = "http://www.w3.org/2003/05/soap-envelope"


def envelope(inner: str, before: str = "") -> bytes:
    return f'{before}<s:Envelope xmlns:s="{NS}"><s:Body>{inner}</s:Body></s:Envelope>'.encode()


def test_a_request_proves_the_login_and_does_not_contain_it():
    """The values follow the rule of the WS-Security UsernameToken profile and were computed
    elsewhere."""
    login = Credential(username="a<b", password="canary")
    sent = soap.request(media.CLOCK, soap.Signature(login, 1_700_000_000.9, b"0123456789abcdef"))
    assert b"canary" not in sent
    assert b"<Username>a&lt;b</Username>" in sent
    assert b">2023-11-14T22:13:20Z<" in sent
    assert b">MDEyMzQ1Njc4OWFiY2RlZg==<" in sent
    # printf '0123456789abcdef2023-11-14T22:13:20Zcanary' | openssl sha1 -binary | base64
    assert b">ZrC8RqE+ULBUd66nRdRJ8nZ0TcI=<" in sent


def test_a_token_cannot_change_the_request():
    call = media.Service("http://x/", 1).stream("</ProfileToken><x/>")
    assert b"<x/>" not in soap.request(call)


@pytest.mark.parametrize(
    ("code", "denied"),
    [
        ("ter:NotAuthorized", True),
        ("wsse:FailedAuthentication", True),
        ("Sender not Authorized", True),
        ("ter:ActionNotSupported", False),
    ],
)
def test_a_fault_says_whether_the_login_is_wrong(code: str, denied: bool):
    with pytest.raises(soap.SoapFault) as caught:
        soap.answer(envelope(f"<s:Fault><s:Code><s:Value>{code}</s:Value></s:Code></s:Fault>"))
    assert caught.value.denied == denied


def test_a_fault_cannot_write_on_the_terminal_as_it_likes():
    text = "<s:Fault><s:Reason><s:Text>\x85" + "x" * 999 + "</s:Text></s:Reason></s:Fault>"
    with pytest.raises(soap.SoapFault) as caught:
        soap.answer(envelope(text))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 120


@pytest.mark.parametrize(
    "before",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
        "<!DOCTYPE html>",
    ],
)
def test_definitions_are_refused_before_they_are_used(before: str):
    with pytest.raises(Invalid) as caught:
        soap.answer(envelope("<a/>", before))
    assert "entities" in caught.value.detail


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: envelope(text)))
def test_any_bytes_are_an_answer_a_fault_or_a_reason(data: bytes):
    try:
        element = soap.answer(data)
    except (Invalid, soap.SoapFault):
        return
    assert media.profiles_in(element) == []
    assert media.clock_skew_s(element, 0.0) == 0.0
    assert media.media_services(element, "http://cam/") == []
    assert media.uri_in(element) == ""


@pytest.mark.parametrize("date", ["", "x", "Mon, 99 Foo 2026", "Tue, 14 Nov 2023 22:13:20 GMT"])
def test_the_clock_from_a_date_header(date: str):
    assert media.date_skew_s(date, 1_699_999_990.0) == (10.0 if "Nov" in date else 0.0)
