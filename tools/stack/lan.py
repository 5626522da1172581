"""Open the stack to the local network: certificates before the start, the addresses after it."""

import sys
from typing import Final, TextIO

import segno

from tools.stack import mqtt
from tools.stack.checks import require_free
from tools.stack.console import Console
from tools.stack.infra import lan_ports
from tools.stack.network import Lan, remember
from tools.stack.settings import StackSettings


def open_to_lan(settings: StackSettings, console: Console) -> None:
    """Prepare the certificates, or, without LAN, note that the stack is for this machine only.
    Raises StackError if a port is taken there."""
    lan = settings.lan
    remember(settings.paths.lan, lan)
    if lan is None:
        return
    require_free(lan_ports(settings), lan.address)
    if mqtt.certificates(settings.paths).prepare(lan.names):
        console.say(f"a new certificate for {' and '.join(lan.names)}")


def show_lan(settings: StackSettings, console: Console, out: TextIO = sys.stdout) -> None:
    """Print what is open where and, on a terminal, show the page's address as a QR code."""
    lan, ports = settings.lan, settings.ports
    if lan is None:
        return
    for line in doors(settings, lan):
        console.say(line)
    if "notifier" not in settings.services:
        return
    url = f"https://{lan.address}:{ports['page']}/"
    shown = f"\n  The page, for phones on this network: {url}\n  It asks people to sign in.\n"
    if out.isatty():
        shown += qr_code(url)
    print(
        shown, file=out, flush=True
    )  # printed in one piece, so that no other line comes in between


def doors(settings: StackSettings, lan: Lan) -> list[str]:
    """Return one line for each fact to print."""
    ports, files = settings.ports, mqtt.certificates(settings.paths)
    named = f" (also {lan.name}, where multicast DNS works)" if lan.name else ""
    lines = [
        f"open to the local network at {lan.address}{named}; people sign in, programs need keys"
    ]
    if "notifier" in settings.services:
        lines.append(f"page and API: https://{lan.address}:{ports['page']}")
    lines.append(f"MQTT for devices: mqtts://{lan.address}:{ports['mqtts']}")
    if "ingest" in settings.services:
        lines.append(f"pictures by HTTP: https://{lan.address}:{ports['intake']}")
    lines.append(
        f"browsers warn once, unless they trust {files.authority}; "
        f"the certificate's SHA-256 is {files.fingerprint()}"
    )
    if lan.others:
        lines.append(f"other addresses of this machine: {', '.join(lan.others)} (HOST=...)")
    return lines


def qr_code(url: str) -> str:
    """Return a QR code of half blocks for a terminal, dark on light whatever the terminal's
    colours."""
    rows = [list(row) for row in segno.make(url, error="l").matrix_iter(border=2)]
    rows += [[0] * len(rows[0])] * (len(rows) % 2)
    lines = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        blocks = "".join(
            _BLOCKS[bool(above), bool(below)] for above, below in zip(upper, lower, strict=True)
        )
        lines.append(f"  \x1b[30;107m{blocks}\x1b[0m\n")
    return "".join(lines)


_BLOCKS: Final = {
    (False, False): " ",
    (True, False): "\N{UPPER HALF BLOCK}",
    (False, True): "\N{LOWER HALF BLOCK}",
    (True, True): "\N{FULL BLOCK}",
}
