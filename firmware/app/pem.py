"""Decode PEM, the text form of certificates and keys, because not every build of the port can."""

from binascii import a2b_base64

_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def der(text, kind="CERTIFICATE"):
    """Return the first block whose name ends in `kind` as DER. Raises ValueError if there is none,
    or if it is damaged, cut short or encrypted."""
    for part in text.split("-----BEGIN ")[1:]:
        name, _, rest = part.partition("-----")
        if name.endswith(kind):
            inside, end, _ = rest.partition("-----END " + name + "-----")
            lines = "".join(inside.split())
            if end and all(char in _BASE64 for char in lines.rstrip("=")):
                raw = a2b_base64(lines)
                if _is_whole(raw) and not name.startswith("ENCRYPTED"):
                    return raw
            break
    raise ValueError("no whole %s in PEM" % kind)


def is_pem(text, kind="CERTIFICATE"):
    """Return whether `der` accepts it."""
    try:
        der(text, kind)
    except ValueError:
        return False
    return True


def _is_whole(raw):
    """Return whether it is exactly one ASN.1 sequence."""
    if len(raw) < 2 or raw[0] != 0x30:
        return False
    more = raw[1] & 0x7F if raw[1] & 0x80 else 0
    size = int.from_bytes(raw[2 : 2 + more], "big") if more else raw[1]
    return len(raw) == 2 + more + size
