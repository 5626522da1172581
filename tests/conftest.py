"""Fixtures for all tests: the real servers, one set per test run, started at the first use.

A test in stack/ or chaos/, or one that takes `infra`, is marked `stack` automatically, and one in
browser/ is marked `browser`. A parametrised test marks its real case: `pytest.param("real",
marks=pytest.mark.stack)` with `request.getfixturevalue("infra")`. Stack tests share the servers and
their topics, so use `unique` for sites, devices, groups and keys.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import claims
from tests.support.waiting import PATIENCE
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

TESTS = Path(__file__).parent
# Before numpy is imported, and for every process that a test starts: threads that wait in a busy
# loop for arrays this small, and Java's second compiler, cost more than they give back.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
# Tests send faster than any device; the limits have tests of their own.
UNLIMITED = {
    "SHARES": "off",
    "HTTP_EACH_REQUESTS_PER_S": "100000",
    "HTTP_EACH_BYTES_PER_S": "1000000000",
    "HTTP_SITE_REQUESTS_PER_S": "100000",
    "HTTP_SITE_BYTES_PER_S": "1000000000",
}
STACK_TIMEOUT_S = 180  # the first such test pays for the start of the servers, and their download


pytest_addoption = claims.pytest_addoption
pytest_runtestloop = claims.pytest_runtestloop


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        mark(item)


def needs_servers(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("stack", "browser"))


def mark(item: pytest.Item) -> None:
    """Add the marks that follow from the test's folder and fixtures, and its time limit."""
    folder = item.path.relative_to(TESTS).parts[0]
    if folder in {"stack", "chaos"} or "infra" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.stack)
    if folder == "browser":
        item.add_marker(pytest.mark.browser)
    own = item.get_closest_marker("timeout")
    if needs_servers(item) or own:
        limit_s = own.args[0] if own else STACK_TIMEOUT_S
        item.add_marker(pytest.mark.timeout(PATIENCE * limit_s), append=False)


@pytest.fixture(scope="session")
def infra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infra]:
    """Run Kafka with all topics, PostgreSQL, S3 and the MQTT broker for the whole test run."""
    paths = Paths(tmp_path_factory.mktemp("stack") / "state with space", ROOT / ".state" / "cache")
    # Tests send as fast as they can; the limits have their own tests.
    with Infra(paths, {**os.environ, **UNLIMITED}) as running:
        yield running


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Return a function: `unique("site")` gives `site-1f3a...`, a name that no other test uses and
    that is valid for a site."""
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}"


def shared_data(name: str) -> Path:
    """Return the folder of a labelled set: below PARKING_DATA, or otherwise next to the checkout.
    Without it the test is skipped with a message, or fails with PARKING_REQUIRE_DATA=1 (CI)."""
    given = os.environ.get("PARKING_DATA")
    folder = (Path(given) if given else ROOT.parent / "shared" / "data") / name
    if not folder.is_dir():
        message = f"no labelled frames in {folder} (PARKING_DATA names their folder)"
        if os.environ.get("PARKING_REQUIRE_DATA"):
            pytest.fail(f"{message}, and PARKING_REQUIRE_DATA is set")
        pytest.skip(message)
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tests' measurements (`record_property`), so that a run's log has the numbers."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                terminalreporter.write_line(f"measured {report.nodeid}: {name}: {value}")
