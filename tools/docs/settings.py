"""Write docs/settings.md from the code: what each service reads from its environment."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from parking.core.errors import SettingsError
from services.analytics import settings as analytics
from services.detector import settings as detector
from services.ingest import settings as ingest
from services.ingest.shares import ShareSettings
from services.notifier import settings as notifier
from services.persister import settings as persister
from services.tracker import settings as tracker

PAGE: Final = Path("docs/settings.md")
_INTRODUCTION: Final = """\
# Settings

<!-- Generated from the code by `make schemas`. Change the docstrings of services/*/settings.py. -->

Every service reads its settings from environment variables, once, when it starts. It checks all of
them and reports every fault at once. A name that almost matches one of these is rejected as
misspelt. Defaults are in parentheses. A secret `NAME[_FILE]` may be given as `NAME`, or as
`NAME_FILE`, the path of a file with mode 600. `python -m services.NAME --help` prints its part.
"""

COMMON: Final = """\
KAFKA_BOOTSTRAP           host:port, comma-separated; required
KAFKA_SECURITY            PLAINTEXT (default), SSL, SASL_PLAINTEXT or SASL_SSL
KAFKA_ALLOW_PLAINTEXT     on: Kafka may be on another host without encryption (off)
KAFKA_SASL_MECHANISM      SCRAM-SHA-512
KAFKA_USERNAME, KAFKA_PASSWORD[_FILE]    required with SASL
KAFKA_CA_FILE             the authority that signed Kafka's certificate; empty: the system's
FRAME_MAX_BYTES           the largest picture, equal in all services (1000000)
RUN                       live; a replay's name, where a service supports replays
HTTP_HOST, HTTP_PORT      where the service listens (127.0.0.1; the port is its own)
HTTP_ALLOW_OPEN           on: a service without API keys may listen on other addresses (off)
ALLOWED_HOSTS             Host names that requests may carry, comma-separated, besides its own
HTTP_KEEP_ALIVE_S         how long an idle connection stays open (90)
HTTP_CONNECTIONS          open connections (4000); HTTP_CONNECTIONS_EACH: of one address (1000)
HTTP_HEADER_TIMEOUT_S     time for a request's headers (10); HTTP_BODY_TIMEOUT_S: its body (30)
HTTP_EACH_REQUESTS_PER_S  share of each API key or address (200; ingest: 10)
HTTP_EACH_BYTES_PER_S     the same in bytes (20000000; ingest: 5000000)
HTTP_SITE_REQUESTS_PER_S  share of all API keys of a site (400; ingest: 200)
HTTP_SITE_BYTES_PER_S     the same in bytes (50000000)
HTTP_BURST_S              seconds' worth of a share that may come at once (10)
LOG_FORMAT                text or json (text)
LOG_LEVEL                 DEBUG, INFO, WARNING or ERROR (INFO)"""
"""The settings that every service reads."""


class Recording(Mapping[str, str]):
    """An empty environment that records which names are read from it, in order."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def __getitem__(self, name: str) -> str:
        self.names[name] = None
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _plain(text: str | None) -> str:
    return inspect.cleandoc(text or "").strip()


SERVICES: Final[Mapping[str, tuple[str, Callable[[Mapping[str, str]], object]]]] = {
    "ingest": (
        f"{_plain(ingest.Settings.__doc__)}\n\n{_plain(ShareSettings.__doc__)}",
        ingest.Settings.from_env,
    ),
    "detector": (_plain(detector.HELP), detector.Settings.from_env),
    "tracker": (_plain(tracker.Settings.__doc__), tracker.Settings.from_env),
    "persister": (_plain(persister.__doc__), persister.Settings.from_env),
    "notifier": (_plain(notifier.Settings.__doc__), notifier.Settings.from_env),
    "analytics": (_plain(analytics.Settings.__doc__), analytics.Settings.from_env),
}
"""For each service, its help text and the function that reads its settings."""


def names_read(read: Callable[[Mapping[str, str]], object]) -> list[str]:
    """Return the names that a service looks up in an empty environment, in order."""
    environment = Recording()
    with suppress(SettingsError):  # required ones are missing
        read(environment)
    return list(environment.names)


def page() -> str:
    """Return the text of docs/settings.md."""
    sections = [_INTRODUCTION, f"## Every service\n\n```text\n{COMMON}\n```\n"]
    for service, (text, _) in SERVICES.items():
        sections.append(f"## {service}\n\n```text\n{text}\n```\n")
    return "\n".join(sections)
