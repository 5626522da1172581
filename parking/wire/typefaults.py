"""Report every fault of parsed JSON in words, by the rules of its type. Pure."""

import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, Final

from msgspec import inspect

FAULTS_MAX: Final = 100
WORDS: Final = "words"
"""Key in a Meta's `extra`: the rule for a text in words, if its pattern would be hard to read."""
HIDDEN: Final = "hidden"
"""Key in a Meta's `extra`: if True, faults never show the value, because they go into logs and dead
letters."""
UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_BIGINT: Final = range(-(2**63), 2**63)


def faults(value: Any, of: Any, *, strict: bool = False, secret: bool = False) -> list[str]:
    """Every fault of parsed JSON, one line each with its place, up to FAULTS_MAX. If `secret`, no
    value is shown."""
    walk = _Walk(strict, kind_of if secret else _shown).faults(value, _type_info(of), "")
    return [line for line, _ in zip(walk, range(FAULTS_MAX), strict=False)]


@cache
def _type_info(of: Any) -> inspect.Type:
    return inspect.type_info(of)


class _Walk:
    """Walks a value along its type."""

    def __init__(self, strict: bool, shown: Callable[[Any], str]) -> None:
        self._strict = strict
        self._shown = shown

    def faults(self, value: Any, of: Any, at: str) -> Iterator[str]:
        """Each fault as `place: what is wrong`."""
        match of:
            case inspect.Metadata():
                more = of.extra or {}
                walk = _Walk(self._strict, kind_of) if more.get(HIDDEN) else self
                if isinstance(of.type, inspect.StrType) and isinstance(value, str):
                    yield from walk.text(value, of.type, at, more.get(WORDS))
                else:
                    yield from walk.faults(value, of.type, at)
            case inspect.UnionType():
                yield from self._union(value, of, at)
            case inspect.StructType():
                yield from self._struct(value, of, at)
            case inspect.ListType() | inspect.TupleType() | inspect.DictType():
                yield from self._container(value, of, at)
            case inspect.StrType() if isinstance(value, str):
                yield from self.text(value, of, at, None)
            case inspect.IntType() | inspect.FloatType() if _is_number(value, of):
                yield from self._number(value, of, at)
            case _ if not _fits(value, of):
                yield f"{_place(at)}must be {_wanted(of)}, not {self._shown(value)}"

    def _union(self, value: Any, of: inspect.UnionType, at: str) -> Iterator[str]:
        if value is None and of.includes_none:
            return
        kinds = [one for one in of.types if not isinstance(one, inspect.NoneType)]
        parts = [one for one in kinds if isinstance(one, inspect.StructType)]
        if len(kinds) > 1 and parts and isinstance(value, dict):
            tag = parts[0].tag_field or ""
            chosen = [one for one in parts if one.tag == value.get(tag)]
            if not chosen:
                allowed = ", ".join(str(one.tag) for one in parts)
                given = self._shown(value.get(tag))
                yield f"{_place(_dot(at, tag))}must be one of {allowed}, not {given}"
                return
            kinds = list(chosen)
        fitting = [one for one in kinds if _fits(value, _bare(one))]
        if len(kinds) > 1 and not fitting:
            wanted = " or ".join(_wanted(one) for one in of.types)
            yield f"{_place(at)}must be {wanted}, not {self._shown(value)}"
        else:
            yield from self.faults(value, (fitting or kinds)[0], at)

    def _struct(self, value: Any, of: inspect.StructType, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            needed = ", ".join(f'"{field.encode_name}"' for field in of.fields if field.required)
            yield f"{_place(at)}must be an object {{{needed}}}, not {self._shown(value)}"
            return
        known = {field.encode_name: field for field in of.fields}
        for name, field in known.items():
            if name in value:
                yield from self.faults(value[name], field.type, _dot(at, name))
            elif field.required:
                yield f"{_dot(at, name)} is missing: it must be {_wanted(field.type)}"
        if self._strict or of.forbid_unknown_fields:
            for name in value:
                if name not in known and name != of.tag_field:
                    yield f"{_dot(at, str(name))} is an unknown field{_meant(str(name), known)}"

    def _container(self, value: Any, of: Any, at: str) -> Iterator[str]:
        if isinstance(of, inspect.DictType):
            if not isinstance(value, dict):
                yield f"{_place(at)}must be an object, not {self._shown(value)}"
                return
            for name, item in value.items():
                yield from self.faults(name, of.key_type, f"{at}{{name {self._shown(name)}}}")
                yield from self.faults(item, of.value_type, _dot(at, str(name)))
            return
        if not isinstance(value, list | tuple):
            yield f"{_place(at)}must be {_wanted(of)}, not {self._shown(value)}"
            return
        if isinstance(of, inspect.TupleType):
            if len(value) != len(of.item_types):
                yield f"{_place(at)}must have {len(of.item_types)} values, not {len(value)}"
                return
            types: Sequence[Any] = of.item_types
        else:
            if not _between(len(value), of.min_length, of.max_length):
                bounds = _length(of.min_length, of.max_length)
                yield f"{_place(at)}must have {bounds} values, not {len(value)}"
            types = [of.item_type] * len(value)
        for number, (item, kind) in enumerate(zip(value, types, strict=True)):
            yield from self.faults(item, kind, f"{at}[{number}]")

    def text(self, value: str, of: inspect.StrType, at: str, words: str | None) -> Iterator[str]:
        """Each fault of a text. `words` is its rule in words, used instead of its pattern."""
        found = UNSTORABLE.search(value)
        if found:
            yield f"{_place(at)}the character U+{ord(found[0]):04X} cannot be stored"
        elif not _between(len(value), of.min_length, of.max_length):
            bounds = _length(of.min_length, of.max_length)
            yield f"{_place(at)}must have {bounds} characters, not {len(value)}"
        elif of.pattern and (
            not re.search(of.pattern, value) or _ends_on_newline(value, of.pattern)
        ):
            wanted = words or f"of the form {of.pattern}"
            yield f"{_place(at)}must be {wanted}, not {self._shown(value)}"

    def _number(self, value: float, of: Any, at: str) -> Iterator[str]:
        if value != value or value in (float("inf"), float("-inf")):
            yield f"{_place(at)}must be a finite number"
        elif isinstance(of, inspect.IntType) and value not in _BIGINT:
            yield f"{_place(at)}a number beyond 63 bits cannot be stored: {self._shown(value)}"
        elif (
            not _between(value, of.ge, of.le)
            or (of.gt is not None and value <= of.gt)
            or (of.lt is not None and value >= of.lt)
        ):
            least = None if of.ge is None else f"at least {of.ge}"
            above = None if of.gt is None else f"above {of.gt}"
            below = None if of.lt is None else f"below {of.lt}"
            most = None if of.le is None else f"at most {of.le}"
            bounds = " and ".join(one for one in (least, above, below, most) if one)
            yield f"{_place(at)}must be {bounds}, not {self._shown(value)}"


def _ends_on_newline(value: str, pattern: str) -> bool:
    """Whether the text ends in a newline that only Python's $ accepts. Other readers of the schema
    do not."""
    return value.endswith("\n") and not re.search(pattern[:-1] + r"\Z", value)


def _is_number(value: Any, of: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (
        isinstance(of, inspect.FloatType) and isinstance(value, float)
    )


def _between(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _length(low: int | None, high: int | None) -> str:
    parts = [f"at least {low}"] if low else []
    parts += [f"at most {high}"] if high is not None else []
    return " and ".join(parts)


_NAMES: Final[dict[type[Any], tuple[str, tuple[type, ...]]]] = {
    inspect.StrType: ("text", (str,)),
    inspect.IntType: ("a whole number", (int,)),
    inspect.FloatType: ("a number", (int, float)),
    inspect.BoolType: ("true or false", (bool,)),
    inspect.BytesType: ("text in base64", (str, bytes)),
    inspect.NoneType: ("null", (type(None),)),
    inspect.ListType: ("a list", (list, tuple)),
    inspect.TupleType: ("a list", (list, tuple)),
    inspect.DictType: ("an object", (dict,)),
    inspect.StructType: ("an object", (dict,)),
}


def _bare(of: Any) -> Any:
    return of.type if isinstance(of, inspect.Metadata) else of


def _fits(value: Any, of: Any) -> bool:
    if isinstance(of, inspect.LiteralType):
        return isinstance(value, str | int) and value in of.values
    named = _NAMES.get(type(of))
    if named is None:  # any value at all
        return True
    if isinstance(value, bool):
        return isinstance(of, inspect.BoolType)
    if isinstance(of, inspect.BytesType) and isinstance(value, str):
        return _is_base64(value)
    return isinstance(value, named[1])


def _is_base64(text: str) -> bool:
    try:
        return b64decode(text, validate=True) is not None
    except ValueError:
        return False


def _wanted(of: Any) -> str:
    """Describe the expected type in words."""
    if isinstance(of, inspect.Metadata):
        return str((of.extra or {}).get(WORDS) or _wanted(of.type))
    if isinstance(of, inspect.UnionType):
        return " or ".join(_wanted(one) for one in of.types[:2])
    if isinstance(of, inspect.LiteralType):
        return "one of " + ", ".join(str(one) for one in of.values)
    return _NAMES.get(type(of), ("a value", ()))[0]


def _shown(value: Any) -> str:
    """A value as shown in a fault: shortened, and without characters that a terminal would act
    on."""
    match value:
        case str():
            return ascii(value[:40]) + ("..." if len(value) > 40 else "")
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[value]
        case int() if abs(value) >= 10**40:
            return "a number of more than 40 digits"
    return str(value)[:60]


def kind_of(value: Any) -> str:
    """The kind of a value that must not be shown."""
    names = {str: "this text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value)) or _shown(value)


def _meant(name: str, known: Any) -> str:
    near = get_close_matches(name, list(known), 1)
    return f": did you mean {near[0]}?" if near else ""


def _dot(at: str, name: str) -> str:
    shown = name if name.isidentifier() else ascii(name[:40])
    return f"{at}.{shown}" if at else shown


def _place(at: str) -> str:
    return f"{at}: " if at else "it "
