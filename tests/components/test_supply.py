"""The parts list follows the lock files, and licences, advisories and secrets are checked."""

import pytest

from tools.supply.components import Component, components, cyclonedx
from tools.supply.rules import (
    installed_licences,
    known_faults,
    licence_faults,
    secrets_in,
)

PARTS = components()


def test_the_bill_of_materials_holds_what_is_pinned():
    bill = cyclonedx(PARTS, "1.0")
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    urls = [part["purl"] for part in bill["components"]]
    assert len(urls) == len(set(urls))
    names = {(part.kind, part.name) for part in PARTS}
    assert {("pypi", "aiokafka"), ("npm", "aedes"), ("npm", "react")} <= names
    assert ("maven", "org.apache.kafka:kafka_2.13") in names
    assert "pkg:maven/org.gaul/s3proxy@" in " ".join(urls)
    scopes = {part["name"]: part["scope"] for part in bill["components"]}
    assert (scopes["aiokafka"], scopes["hypothesis"]) == ("required", "excluded")


def test_every_installed_licence_goes_with_ours():
    installed = installed_licences(PARTS)
    assert len(installed) > 50
    locked = [(part.name, part.licence) for part in PARTS if part.kind == "npm"]
    assert licence_faults(installed + locked) == []


@pytest.mark.parametrize("licence", ["", "Proprietary", "GPL-2.0-only", "SSPL-1.0", "BUSL-1.1"])
def test_a_licence_that_does_not_is_named(licence: str):
    [fault] = licence_faults([("other", licence), ("good", "MIT")])
    assert fault.startswith("other: ")


def record(**affected: object) -> dict[str, object]:
    package = {"ecosystem": "PyPI", "name": "thing"}
    return {"id": "OSV-1", "summary": "bad", "affected": [{"package": package, **affected}]}


RANGE = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.2.0"}]}]
TWICE = [
    {
        "type": "SEMVER",
        "events": [
            {"introduced": "0"},
            {"fixed": "1.0"},
            {"introduced": "2.0"},
            {"last_affected": "2.1"},
        ],
    }
]


@pytest.mark.parametrize(
    ("version", "affected", "found"),
    [
        ("1.1.9", {"ranges": RANGE}, True),
        ("1.2.0", {"ranges": RANGE}, False),
        ("0.9", {"ranges": TWICE}, True),
        ("1.5", {"ranges": TWICE}, False),
        ("2.1", {"ranges": TWICE}, True),
        ("2.2", {"ranges": TWICE}, False),
        ("1.5", {"versions": ["1.5"]}, True),
        ("1.6", {"versions": ["1.5"]}, False),
        ("odd", {"ranges": RANGE}, True),
    ],
)
def test_an_advisory_is_checked_against_the_pinned_versions(
    version: str, affected: dict[str, object], found: bool
):
    parts = [Component("pypi", "thing", version), Component("npm", "other", version)]
    faults = known_faults(parts, [record(**affected)])
    assert faults == ([f"thing {version}: OSV-1 bad"] if found else [])
    assert known_faults(parts, [record(**affected) | {"withdrawn": "2026"}]) == []


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN " + "EC PRIVATE KEY-----\n" + "MHcCAQEE" * 40,
        "key = AKIA" + "ABCDEFGHIJKLMNOP",
        "token: ghp_" + "a1" * 18,
        "postgresql://parking:" + "abcdefghij0123456789XY" + "@db/parking",
    ],
)
def test_a_secret_is_found_with_its_line(text: str):
    [found] = secrets_in(f"first\n{text}\n")
    assert found.startswith("line 2: ")


def test_what_only_looks_like_one_is_none():
    assert secrets_in("-----BEGIN PRIVATE KEY-----\n...\n postgresql://parking:...@db") == []
