"""Older readers and newer writers: unknown fields, values, kinds and types cause no dead letters.

`last_release.json` holds the schemas and examples of the last release, one per line. It is
rewritten from `schemas/` at each release.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import inspect

from parking.core.errors import Invalid, Newer
from parking.core.events import EVENTS, FrameReceived
from parking.wire import codec, schemas
from parking.wire.ports import Record
from parking.wire.tolerant import ACTED_ON, SAFE

FOLDER = Path(__file__).parents[2] / "schemas" / "examples"
EXAMPLES = {path.stem: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}
RELEASED = json.loads(Path(__file__).with_name("last_release.json").read_text("utf-8"))
NEWER = "of-a-newer-version"


def record(name: str, content: Any) -> Record:
    """Return an example as a record of a topic."""
    event_type = f"parking.{name.split('--')[0]}"
    body = json.dumps(content).encode()
    in_header = event_type in (FrameReceived.TYPE, "parking.dead-lettered.v1")
    headers = (("ce_type", event_type.encode()), (codec.META_HEADER, body))
    return Record("t", 0, 0, b"k", b"raw" if in_header else body, headers[: 1 + in_header])


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    children = value.values() if isinstance(value, dict) else value
    for child in children if isinstance(value, dict | list) else ():
        yield from objects(child)


MAPS = ("timings_ms", "evidence_at_ms")  # their keys are data


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_unknown_fields_anywhere_are_passed_over(name: str):
    extended = copy.deepcopy(EXAMPLES[name])
    maps = [id(extended[field]) for field in MAPS if field in extended]
    for part in list(objects(extended)):
        if id(part) not in maps:
            part["of_a_newer_version"] = {"any": [1, "thing"]}
    assert codec.decode(record(name, extended)) == codec.decode(record(name, EXAMPLES[name]))


def fixed_values() -> set[tuple[type, str]]:
    """Return every field of every event whose values are a fixed set."""
    found: set[tuple[type, str]] = set()
    waiting: list[Any] = [inspect.type_info(cls) for cls in EVENTS]
    while waiting:
        one = waiting.pop()
        if isinstance(one, inspect.StructType):
            for field in one.fields:
                kinds = [field.type]
                while kinds:
                    kind = kinds.pop()
                    if isinstance(kind, inspect.Metadata):
                        kinds.append(kind.type)
                    elif isinstance(kind, inspect.UnionType):
                        kinds += kind.types
                    elif isinstance(kind, inspect.LiteralType):
                        found.add((one.cls, field.name))
                    else:
                        waiting.append(kind)
        elif isinstance(one, inspect.ListType):
            waiting.append(one.item_type)
        elif isinstance(one, inspect.Metadata):
            waiting.append(one.type)
    return found


def test_unknown_values_of_each_enumerated_field_have_a_meaning():
    assert fixed_values() == SAFE.keys() | ACTED_ON
    assert not SAFE.keys() & ACTED_ON


# What each example's value of a fixed set is read as when it is unknown; None: passed over.
READ_AS: dict[str, dict[str, str | None]] = {
    "frame-received.v1": {"via": "api", "time_source": "receipt"},
    "gate-event-received.v1": {"via": "api", "time_source": "receipt", "direction": None},
    "plate-sealed.v1": {"direction": None},
    "camera-configured.v1": {"kind": None},
    "device-reported.v1": {"kind": "heartbeat"},
    "layout-published.v1": {"slots.0.kind": "standard"},
    "site-commanded.v1": {"command.kind": None},
    "detection-made.v1": {
        "health.status": "covered",
        "observations.0.state": "unknown",
        "effort.searched": "picture",
    },
    "slot-changed.v1": {"from_state": "unknown", "to_state": "unknown", "cause.kind": "device"},
    "slot-state-updated.v1": {"state": "unknown"},
    "camera-status-changed.v1": {"status": "degraded", "health": "covered"},
    "session-changed.v1": {"kind": None, "cause.kind": "device"},
    "occupancy-measured.v1": {"kind": None},
}


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """Return the dotted path of every string."""
    if isinstance(value, str):
        yield path[1:]
    if isinstance(value, dict | list):
        for step, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(child, f"{path}.{step}")


def of_fixed_set(name: str, path: str) -> bool:
    """Return whether a strict reader refuses another value there because it is not in the set."""
    try:
        read_strictly(name, with_value(name, path, NEWER))
    except Invalid as error:
        return "must be one of" in error.detail
    return False


def read_strictly(name: str, content: Any) -> object:
    cls = next(cls for cls in EVENTS if f"parking.{name.split('--')[0]}" == cls.TYPE)
    return codec.from_json(json.dumps(content).encode(), cls)


def with_value(name: str, path: str, value: Any) -> Any:
    """Return the example with another value there."""
    content = copy.deepcopy(EXAMPLES[name])
    *steps, last = (int(step) if step.isdecimal() else step for step in path.split("."))
    part = content
    for step in steps:
        part = part[step]
    part[last] = value
    return content


VALUES = [
    (name, path)
    for name in sorted(EXAMPLES)
    for path in leaves(EXAMPLES[name])
    if of_fixed_set(name, path)
]


def test_every_value_of_a_fixed_set_is_tried():
    tried: dict[str, set[str]] = {}
    for name, path in VALUES:
        tried.setdefault(name.split("--")[0], set()).add(path)
    assert tried == {name: set(paths) for name, paths in READ_AS.items()}


@pytest.mark.parametrize(("name", "path"), VALUES, ids=[f"{n}-{path}" for n, path in VALUES])
def test_an_unknown_value_is_read_as_the_safe_one_or_the_event_is_passed_over(name, path):
    """In the control, a strict reader refuses each of them, which is how they were found."""
    newer = record(name, with_value(name, path, NEWER))
    safe = READ_AS[name.split("--")[0]][path]
    if safe is None:
        with pytest.raises(Newer, match=NEWER):
            codec.decode(newer)
    else:
        assert codec.decode(newer) == codec.decode(record(name, with_value(name, path, safe)))


@pytest.mark.parametrize("value", [7, None, ["free"], {"x": 1}, True])
def test_a_value_of_another_kind_is_damage(value):
    damaged = with_value("slot-changed.v1--occupied", "to_state", value)
    with pytest.raises(Invalid, match="bad-schema") as caught:
        codec.decode(record("slot-changed.v1--occupied", damaged))
    assert not isinstance(caught.value, Newer)


@pytest.mark.parametrize("name", ["slot-changed.v1--occupied", "gate-event-received.v1--entry"])
def test_an_unknown_value_excuses_no_damage(name):
    field = "to_state" if "slot" in name else "direction"
    damaged = with_value(name, field, NEWER)
    del damaged["site_id"]
    with pytest.raises(Invalid, match="bad-schema") as caught:
        codec.decode(record(name, damaged))
    assert not isinstance(caught.value, Newer)


def test_a_command_of_an_unknown_kind_is_passed_over():
    command = with_value("site-commanded.v1--slot-closed", "command", {"kind": "recount", "in": 7})
    with pytest.raises(Newer, match="recount"):
        codec.decode(record("site-commanded.v1--slot-closed", command))


@pytest.mark.parametrize(
    ("event_type", "newer"),
    [
        ("parking.gate-drift.v1", True),
        ("parking.slot-changed.v2", True),
        ("com.example.other.v1", False),
        ("parking.", False),
        ("parking.slot-changed", False),
        ("parking.x.v1\n", False),
    ],
)
def test_an_event_type_of_ours_that_is_unknown_is_newer_and_a_strangers_is_not(event_type, newer):
    stranger = Record("t", 0, 0, b"k", b"{}", (("ce_type", event_type.encode()),))
    with pytest.raises(Invalid, match="unknown-type") as caught:
        codec.decode(stranger)
    assert isinstance(caught.value, Newer) is newer


# ---------------------------------------------------------------- the last release
@pytest.mark.parametrize("name", sorted(RELEASED["examples"]))
def test_what_the_last_release_wrote_is_read(name: str):
    codec.decode(record(name, RELEASED["examples"][name]))


def narrowed(old: Any, new: Any, path: str) -> Iterator[str]:
    """Return the guarantees that a reader of the old schema loses."""
    if isinstance(old, dict):
        if not isinstance(new, dict):
            yield f"{path} is gone"
            return
        yield from narrowed_here(old, new, path)
    pairs = old.items() if isinstance(old, dict) else enumerate(old)
    for key, value in pairs:
        if isinstance(value, dict | list) and key not in ("enum", "required", "default"):
            there = new.get(key) if isinstance(new, dict) else dict(enumerate(new)).get(key)
            yield from narrowed(value, there, f"{path}/{key}")


def narrowed_here(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[str]:
    """Return the same for one schema, without the schemas inside it."""
    for key in ("type", "pattern", "minimum", "maximum", "exclusiveMaximum", "maxLength", "const"):
        if old.get(key) != new.get(key):
            yield f"{path}: {key} {old.get(key)!r} became {new.get(key)!r}"
    if "enum" in new and not set(old.get("enum", ())) <= set(new["enum"]):
        yield f"{path}: values are gone"
    if not set(new.get("required", ())) <= set(old.get("required", ())):
        yield f"{path}: more is required"


@pytest.mark.parametrize("name", sorted(RELEASED["schemas"]))
def test_since_the_last_release_things_were_only_added(name: str):
    now = schemas.generated()[f"{name}.json"]
    assert list(narrowed(RELEASED["schemas"][name], now, name)) == []


@pytest.mark.parametrize("name", sorted(RELEASED["schemas"]))
def test_control_a_field_taken_away_or_required_is_found(name: str):
    without = copy.deepcopy(schemas.generated()[f"{name}.json"])
    del without["properties"]["time_ms"]
    more = copy.deepcopy(schemas.generated()[f"{name}.json"])
    more["required"].append("of_a_newer_version")
    for changed in (without, more):
        assert list(narrowed(RELEASED["schemas"][name], changed, name))
