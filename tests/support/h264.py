"""A tiny H.264 encoder for tests, which sends every macroblock as plain grey samples (I_PCM)."""

from collections.abc import Sequence


class Bits:
    def __init__(self) -> None:
        self.text = ""

    def u(self, count: int, value: int) -> "Bits":
        self.text += format(value, f"0{count}b")
        return self

    def ue(self, *values: int) -> "Bits":
        for value in values:
            code = format(value + 1, "b")
            self.text += "0" * (len(code) - 1) + code
        return self

    def align(self) -> "Bits":
        self.text += "0" * (-len(self.text) % 8)
        return self

    def end(self) -> bytes:
        self.u(1, 1).align()
        return bytes(int(self.text[i : i + 8], 2) for i in range(0, len(self.text), 8))


def unit(header: int, content: bytes) -> bytes:
    """Return a NAL unit with its emulation prevention."""
    made, zeros = bytearray([header]), 0
    for byte in content:
        if zeros >= 2 and byte <= 3:
            made.append(3)
            zeros = 0
        made.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(made)


def parameter_sets(width_mb: int, height_mb: int) -> tuple[bytes, bytes]:
    """Return SPS and PPS of a baseline stream of so many macroblocks (16 px)."""
    sps = Bits().ue(0, 0, 2, 0).u(1, 0).ue(width_mb - 1, height_mb - 1).u(4, 0b1100).end()
    pps = Bits().ue(0, 0).u(2, 0).ue(0, 0, 0).u(3, 0).ue(0, 0, 0).u(3, 0b100).end()
    return unit(0x67, bytes([66, 0, 30]) + sps), unit(0x68, pps)


def key_picture(greys: Sequence[int], number: int = 0, first: int = 0) -> bytes:
    """Return an IDR slice with one macroblock of each grey (0..255), left to right and top to
    bottom, starting with the macroblock `first`."""
    bits = Bits().ue(first, 7, 0).u(4, 0).ue(number % 2).u(2, 0).ue(0, 1)
    for grey in greys:
        bits.ue(25).align()
        bits.text += format(grey, "08b") * 256 + format(128, "08b") * 128
    return unit(0x65, bits.end())
