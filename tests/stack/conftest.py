"""Fixtures of the tests that run ingest as a process, against a broker of their own."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.brokers import Broker, aedes
from tests.support.ingest_process import Bridge, Log
from tools.stack.infra import Infra


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Run a broker that lets a bridge in."""
    with aedes(tmp_path_factory.mktemp("broker")) as running:
        running.add("bridge")
        yield running


@pytest.fixture
def bridge(infra: Infra, broker: Broker, tmp_path: Path, unique) -> Iterator[Bridge]:
    """Return ingest for the test to start; it is ended with the test."""
    made = Bridge(infra, broker, tmp_path, unique("bridge"))
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGKILL)


@pytest.fixture
def log(infra: Infra) -> Log:
    """Return what is in Kafka."""
    return Log(infra)
