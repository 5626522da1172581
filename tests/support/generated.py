"""Values generated from JSON Schemas: valid ones with every field set, and the place of each leaf.

Only what our own schemas use is supported.
"""

from collections.abc import Iterator
from typing import Any

_TEXTS = {  # a text for each pattern
    r"^[A-Za-z0-9_+-]{1,30}(/[A-Za-z0-9_+-]{1,30}){0,2}$": "Asia/Jakarta",
    r"^(https://|geo:)[!-~]{1,400}$": "https://maps.example/?q=lot",
    r"^[a-z0-9-]{1,40}$": "demo",
    r"^[a-z0-9-]{1,40}/[a-z0-9-]{1,40}$": "demo/north",
    r"^[A-Za-z0-9._-]{1,40}$": "A01",
    r"^[0-9a-f]{64}$": "0" * 64,
    r"^([0-9A-Fa-f]{16,128}|[A-Za-z0-9+/_-]{22,86}={0,2})$(?!\n)": "af09" * 8,
    r"^[A-Za-z0-9_-]{8}$": "af09af09",
}
Place = tuple[str | int, ...]


def samples(schema: dict[str, Any], defs: dict[str, Any]) -> list[Any]:
    """Return values that fill every field; several if a part can be one of several kinds."""
    if "$ref" in schema:
        return samples(defs[schema["$ref"].rsplit("/", 1)[-1]], defs)
    if "anyOf" in schema:
        return [one for part in schema["anyOf"] for one in samples(part, defs) if one is not None]
    if "enum" in schema:
        return [schema["enum"][0]]
    match schema.get("type"):
        case "object" if "properties" in schema:
            return _objects(schema["properties"], defs)
        case "object":
            name = samples({"type": "string"} | schema.get("propertyNames", {}), defs)[0]
            return [{name: one} for one in samples(schema["additionalProperties"], defs)]
        case "array":
            return _lists(schema, defs)
        case "string":
            encoded = schema.get("contentEncoding") == "base64"
            return [
                "AAAA" if encoded else _TEXTS[schema["pattern"]] if "pattern" in schema else "x"
            ]
        case "integer":
            return [schema.get("minimum", 1)]
        case kind:
            return [{"number": 0.5, "boolean": True, "null": None}[kind or "null"]]


def _objects(properties: dict[str, Any], defs: dict[str, Any]) -> list[Any]:
    each = {name: samples(schema, defs) for name, schema in properties.items()}
    rows = max(map(len, each.values()), default=1)
    return [{name: some[row % len(some)] for name, some in each.items()} for row in range(rows)]


def _lists(schema: dict[str, Any], defs: dict[str, Any]) -> list[Any]:
    if "prefixItems" in schema:
        return [[samples(part, defs)[0] for part in schema["prefixItems"]]]
    count = max(1, schema.get("minItems", 1))
    return [[one] * count for one in samples(schema["items"], defs)]


def leaves(value: Any, at: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Return every text and number with its place, and every name of a table as the place
    itself."""
    if isinstance(value, dict):
        for name, child in value.items():
            yield from leaves(child, (*at, name))
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from leaves(child, (*at, number))
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield at, value


def put(value: Any, at: Place, new: Any) -> Any:
    """Return a copy with another value at that place."""
    if not at:
        return new
    step, rest = at[0], at[1:]
    if isinstance(value, list):
        return [put(one, rest, new) if n == step else one for n, one in enumerate(value)]
    return {name: put(one, rest, new) if name == step else one for name, one in value.items()}
