"""No text from outside moves a terminal's cursor or begins a line of its own."""

import io
import logging
from pathlib import Path

import pytest

from parking.runtime.ops import TextFormatter
from parking.runtime.printable import lines, one_line
from tools.stack.console import Console

HOSTILE = "cam\x1b[2J\x1b]0;owned\x07\r\nERROR all is lost\x9b1m\u202etxt.exe\x7f"


def test_control_characters_are_escaped():
    shown = one_line(HOSTILE)
    assert shown.isprintable()
    assert "\\x1b[2J" in shown
    assert "\\r\\n" in shown
    assert one_line("Stellplätze 停车 é\t") == "Stellplätze 停车 é\t"
    assert lines("a\nb\x1b") == "a\nb\\x1b"


def logged(*, formatter: logging.Formatter) -> str:
    record = logging.LogRecord("x", logging.WARNING, "f", 1, "client %s left", (HOSTILE,), None)
    return formatter.format(record)


def test_a_log_line_stays_one_line_without_control_characters():
    assert logged(formatter=TextFormatter()).isprintable()
    assert "\x1b" in logged(formatter=logging.Formatter()), "NC: the usual formatter writes it raw"


def test_a_traceback_keeps_its_lines():
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)
    text = TextFormatter().format(logging.LogRecord("x", 40, "f", 1, "no", (), info))
    assert len(text.splitlines()) > 2
    assert "\x1b" not in text


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_console_shows_what_a_process_wrote_escaped(tmp_path: Path, log_format: str):
    out = io.StringIO()
    console = Console(tmp_path, log_format, out)
    console.line("mqtt", f"ERROR client {HOSTILE}", quiet=True)
    console.say(f"mqtt is not well ({HOSTILE})")
    console.close()
    for text in (out.getvalue(), (tmp_path / "mqtt.log").read_text("utf-8")):
        assert all(line.isprintable() for line in text.splitlines()), text
