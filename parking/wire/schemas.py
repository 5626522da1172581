"""Write `schemas/*.json` (JSON Schema 2020-12) from the classes in parking/core/events.py.

`python -m parking.wire.schemas [--check]`: with --check nothing is written; a difference is an
error.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from parking.core.events import EVENTS
from parking.wire.codec import schema_name

FOLDER = Path(__file__).parents[2] / "schemas"


def generated() -> dict[str, dict[str, Any]]:
    """Map file name to schema, one per event class. Each schema is self-contained."""
    files = {}
    for cls in EVENTS:
        _, parts = msgspec.json.schema_components([cls], ref_template="#/$defs/{name}")
        for part in parts.values():
            _drop_discriminators(part)
        body = parts.pop(cls.__name__)
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:parking:schema:{schema_name(cls.TYPE)}",
            **body,
        }
        used = _closure(body, parts)
        if used:
            schema["$defs"] = used
        files[f"{schema_name(cls.TYPE)}.json"] = schema
    return files


def _drop_discriminators(part: dict[str, Any]) -> None:
    """Drop `discriminator`, which belongs to OpenAPI and not to JSON Schema. The branches' `kind`
    is enough."""
    for field in part.get("properties", {}).values():
        field.pop("discriminator", None)


def _closure(body: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """The definitions that a schema refers to, directly or indirectly, keyed by name."""
    used: dict[str, Any] = {}
    waiting = [body]
    while waiting:
        text = json.dumps(waiting.pop())
        for name, part in parts.items():
            if f'"#/$defs/{name}"' in text and name not in used:
                used[name] = part
                waiting.append(part)
    return dict(sorted(used.items()))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m parking.wire.schemas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 on a difference")
    check = parser.parse_args().check
    stale = []
    FOLDER.mkdir(exist_ok=True)
    for name, schema in generated().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        path = FOLDER / name
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text, "utf-8")
    if check and stale:
        sys.exit(
            f"schemas/ differs from parking/core/events.py: {', '.join(stale)}; run `make schemas`"
        )
    sys.stdout.write(f"schemas/: {len(EVENTS)} files, {len(stale)} written\n")


if __name__ == "__main__":
    main()
