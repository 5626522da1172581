"""Parse a time server's answer (SNTP, RFC 4330). No I/O."""

REQUEST = b"\x23" + b"\0" * 47
_SINCE_1900_S = 2_208_988_800
_ERA_S = 1 << 32


def wall_ms(reply, delay_ms):
    """Return the milliseconds since 1970 at the arrival of `reply`, `delay_ms` after the request,
    or None if it holds no time. Numbers that wrapped in 2036 are read as later times."""
    if len(reply) < 48 or reply[0] & 7 not in (4, 5) or reply[1] == 0:
        return None
    seconds = int.from_bytes(reply[40:44], "big") - _SINCE_1900_S
    if seconds < 0:
        seconds += _ERA_S
    part = int.from_bytes(reply[44:48], "big")
    return seconds * 1000 + (part * 1000 >> 32) + delay_ms // 2
