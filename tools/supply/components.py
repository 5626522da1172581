"""Every third-party part that the lock files pin. Reads files, needs no network."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
NPM_LOCKS: Final = (
    "dashboard/package-lock.json",
    "dashboard/e2e/package-lock.json",
    "tools/stack/mqtt_broker/package-lock.json",
)
_ECOSYSTEMS: Final = {"pypi": "PyPI", "npm": "npm", "maven": "Maven"}


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """A package at one version. `kind` is pypi, npm or maven. `name` is spelt as in its registry
    (Maven: group:artifact). `hashes` are the SHA-256 of its files, if the lock file has them."""

    kind: str
    name: str
    version: str
    licence: str = ""
    development: bool = False
    hashes: tuple[str, ...] = ()

    @property
    def ecosystem(self) -> str:
        """The ecosystem's name in OSV's advisories."""
        return _ECOSYSTEMS[self.kind]

    @property
    def purl(self) -> str:
        """The component's package URL."""
        name = self.name.replace(":", "/").replace("@", "%40")
        return f"pkg:{self.kind}/{name}@{self.version}"


def components(root: Path = ROOT) -> list[Component]:
    """Return all of them, sorted, each once. Parts that only development needs are marked."""
    found: dict[tuple[str, str, str], Component] = {}
    for component in (*_python(root), *_npm(root), *_maven(root)):
        key = (component.kind, component.name, component.version)
        if key not in found or found[key].development:
            found[key] = component
    return sorted(found.values())


def canonical(name: str) -> str:
    """Return a Python package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _python(root: Path) -> Iterator[Component]:
    for file in sorted((root / "requirements").glob("*.txt")):
        development = file.stem in {"dev", "train", "render"}
        text = re.sub(r"\\\n", " ", file.read_text("utf-8"))
        for line in text.splitlines():
            if match := _PINNED.match(line):
                name = canonical(match[1])
                hashes = tuple(sorted(_HASH.findall(line)))
                yield Component("pypi", name, match[2], "", development, hashes)


def _npm(root: Path) -> Iterator[Component]:
    for lock in NPM_LOCKS:
        packages: dict[str, dict[str, Any]] = json.loads((root / lock).read_text("utf-8"))[
            "packages"
        ]
        for path, package in packages.items():
            if path and not package.get("link"):
                name = str(package.get("name") or path.rpartition("node_modules/")[2])
                version, licence = str(package["version"]), str(package.get("license", ""))
                yield Component("npm", name, version, licence, bool(package.get("dev")))


def _maven(root: Path) -> Iterator[Component]:
    for line in (root / "tools" / "stack" / "jars.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            coordinate, sha256 = line.split()
            group, artifact, version, *_ = coordinate.split(":")
            yield Component("maven", f"{group}:{artifact}", version, "", False, (sha256,))


def cyclonedx(parts: list[Component], version: str) -> dict[str, Any]:
    """Return a software bill of materials (CycloneDX 1.6), always the same for the same lock
    files."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "smart-parking",
                "version": version,
                "licenses": [{"license": {"id": "AGPL-3.0-only"}}],
            }
        },
        "components": [_entry(part) for part in parts],
    }


def _entry(part: Component) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "type": "library",
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "purl": part.purl,
        "scope": "excluded" if part.development else "required",
    }
    if part.licence:
        entry["licenses"] = [{"expression": part.licence}]
    if len(part.hashes) == 1:  # of several files (wheels per platform) only one is installed
        entry["hashes"] = [{"alg": "SHA-256", "content": part.hashes[0]}]
    return entry
