"""Fixtures for all tests: the real servers, one set a test run, started when first asked for.

A test that takes `infra` is marked `stack` by itself; a parametrised one marks its real case:
`pytest.param("real", marks=pytest.mark.stack)` with `request.getfixturevalue("infra")`.
Stack tests share the servers and their topics: use `unique` for sites, devices, groups, keys.
"""

import os
import uuid
from collections.abc import Callable, Iterator

import pytest

from parking.stack.infra import Infra
from parking.stack.settings import ROOT, Paths

STACK_TIMEOUT_S = 180  # the first such test pays for the start of the servers, and their download


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "infra" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.stack)
        slow = any(item.get_closest_marker(name) for name in ("stack", "browser"))
        if slow and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(STACK_TIMEOUT_S))


@pytest.fixture(scope="session")
def infra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infra]:
    """Kafka with all topics, PostgreSQL, S3 and the MQTT broker, for the whole run."""
    paths = Paths(tmp_path_factory.mktemp("stack") / "state with space", ROOT / ".state" / "cache")
    with Infra(paths, os.environ) as running:
        yield running


@pytest.fixture
def unique() -> Callable[[str], str]:
    """`unique("site")` -> `site-1f3a...`: names that no other test uses, valid as site or device."""
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}"
