"""Write schemas/openapi.json from the routes: `python -m services.notifier.api.openapi`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI

from parking.access.keys import KeyFile
from parking.runtime.memory import ManualClock, MemoryBroker, MemoryProducer
from parking.runtime.ops import Health
from services.notifier.adapters import MemoryLog
from services.notifier.api.app import Parts, make_api
from services.notifier.feed import Feed
from services.notifier.pictures import Pictures
from services.notifier.settings import Limits

FILE: Final = Path(__file__).parents[3] / "schemas" / "openapi.json"


def application() -> FastAPI:
    """Return an application without data."""
    broker, clock = MemoryBroker(), ManualClock()
    log = MemoryLog(broker)
    feed = Feed(log, clock, Limits())
    parts = Parts(
        feed=feed,
        pictures=Pictures(log, feed, clock),
        history=None,
        producer=MemoryProducer(broker),
        keys=KeyFile(Path("keys")),
        clock=clock,
        health=Health(),
    )
    return make_api(parts, (), Path("dashboard"))


def generated() -> dict[str, Any]:
    """Return the application's OpenAPI document."""
    return application().openapi()


def text() -> str:
    """Return the document as it is stored in the file."""
    return json.dumps(generated(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m services.notifier.api.openapi", description=__doc__
    )
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 on a difference")
    if parser.parse_args().check:
        if FILE.read_text("utf-8") != text():
            sys.exit("schemas/openapi.json differs from the routes; run `make schemas`")
    else:
        FILE.write_text(text(), "utf-8")


if __name__ == "__main__":
    main()
