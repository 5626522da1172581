"""What every service process has: logs, /healthz /readyz /metrics, one task group, signals.

`serve()` owns the process's concurrency: it runs the named loops side by side. The first loop to
end, or SIGTERM/SIGINT, stops the others. An exception in a loop ends the process with status 1.
"""

import asyncio
import gc
import json
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from parking.core.errors import SettingsError
from parking.runtime import handshakes
from parking.runtime.asgi import Habits
from parking.runtime.connections import ConnectionLimits, protocol
from parking.runtime.hosts import is_host, is_loopback
from parking.runtime.printable import lines, one_line
from parking.runtime.rates import RateLimits
from parking.runtime.settings import Reader
from parking.runtime.tls import TlsListener, without_metrics

log = logging.getLogger(__name__)

Loop = Callable[[asyncio.Event], Awaitable[None]]
STOP_LIMIT_S: Final = 10.0
KEEP_ALIVE_S: Final = 90
USUAL_RATES: Final = RateLimits()
_ADDRESS: Final = re.compile(
    r"(?P<time>\b\d\d:\d\d:\d\d UTC)|(?:\[[0-9a-f:]+\]|[A-Za-z0-9][\w.-]*):\d{2,5}\b"
)


class SystemClock:
    """ports.Clock on the machine's clock."""

    def now_ms(self) -> int:
        """See ports.Clock."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """See ports.Clock."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where a service listens (loopback by default; `tls` is a second, encrypted address) and how
    long it keeps an idle connection. It keeps one longer than proxies do (60 s, some 75), or they
    would use one that has just been closed."""

    host: str
    port: int
    keep_alive_s: int = KEEP_ALIVE_S
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    allowed_hosts: tuple[str, ...] = ()
    rates: RateLimits = field(default_factory=RateLimits)
    tls: TlsListener | None = None

    @classmethod
    def read(
        cls,
        env: Reader,
        default_port: int,
        usual_rates: RateLimits = USUAL_RATES,
        *,
        has_keys: bool = False,
    ) -> "HttpSettings":
        """From HTTP_*, HTTPS_* and ALLOWED_HOSTS. `has_keys` means that its sensitive routes need
        an API key. Only such a service may have an address with TLS."""
        host = env.text("HTTP_HOST", "127.0.0.1")
        if not (has_keys or is_loopback(host) or env.flag("HTTP_ALLOW_OPEN", False)):
            env.problems.append(
                f"HTTP_HOST={host} would open this service, which has no login, to the"
                " network: use 127.0.0.1, or set HTTP_ALLOW_OPEN=on behind a firewall"
            )
        usual = ConnectionLimits()
        names = env.text("ALLOWED_HOSTS", "").split(",")
        allowed = tuple(name.strip().lower() for name in names if name.strip())
        for name in allowed:
            if not is_host(name):
                env.problems.append(f"ALLOWED_HOSTS: {name!r} is not a host like lot.example")
        return cls(
            host,
            env.integer("HTTP_PORT", default_port, 1, 65535),
            env.integer("HTTP_KEEP_ALIVE_S", KEEP_ALIVE_S, 1, 3600),
            ConnectionLimits(
                env.integer("HTTP_CONNECTIONS", usual.total, 10, 100_000),
                env.integer("HTTP_CONNECTIONS_EACH", usual.each, 1, 100_000),
                env.number("HTTP_HEADER_TIMEOUT_S", usual.header_s, 0.1, 600),
                env.number("HTTP_BODY_TIMEOUT_S", usual.body_s, 0.1, 600),
            ),
            allowed,
            RateLimits.read(env, usual_rates),
            TlsListener.read(env) if has_keys else None,
        )


@dataclass(slots=True)
class Health:
    """The answers of /healthz and /readyz. The process is alive if nothing is `failing`, and ready
    if nothing is `waiting` either. `still` holds services that have stalled and missing heartbeats,
    which /readyz only lists."""

    failing: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    still: dict[str, str] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        """Routes to mount in any Starlette or FastAPI app."""
        return [
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/metrics", _metrics),
        ]

    async def _healthz(self, _: Request) -> Response:
        return _report(self.failing)

    async def _readyz(self, _: Request) -> Response:
        return _report(self.failing | self.waiting, self.still)


def ops_app(health: Health) -> Starlette:
    """The app of a service without HTTP routes of its own."""
    return Starlette(routes=health.routes())


def http_loop(app: Callable[..., Awaitable[None]], http: HttpSettings) -> Loop:
    """A loop that serves `app` at all its addresses until it is stopped."""

    async def loop(stop: asyncio.Event) -> None:
        servers = [uvicorn.Server(config) for config in _addresses(app, http)]
        tasks = [asyncio.ensure_future(one._serve()) for one in servers]  # noqa: SLF001 -- the public one takes the signals
        await asyncio.wait(
            {*tasks, asyncio.ensure_future(stop.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)

    return loop


def _addresses(app: Callable[..., Awaitable[None]], http: HttpSettings) -> list[uvicorn.Config]:
    settings: dict[str, Any] = {
        "http": protocol(http.connections),
        "timeout_keep_alive": http.keep_alive_s,
        "log_config": None,
        "access_log": False,
        "timeout_graceful_shutdown": 3,
        "ws_max_size": 4096,  # clients have nothing to send by WebSocket; a deflated message
        "ws_per_message_deflate": False,  # could be a thousand times larger than it was sent
    }
    served: Any = Habits(app, http.allowed_hosts)
    configs = [uvicorn.Config(served, http.host, http.port, **settings)]
    if http.tls is not None:
        secured = handshakes.protocol(settings["http"], http.tls.context(), http.connections)
        outside: Any = Habits(without_metrics(app), http.allowed_hosts)
        more = {**settings, "http": secured}
        configs.append(uvicorn.Config(outside, http.tls.host, http.tls.port, **more))
    return configs


async def serve(loops: Mapping[str, Loop]) -> None:
    """Run the named loops until the first ends or a signal comes. Then stop the others, in at most
    STOP_LIMIT_S. A loop that ends by itself before the stop is an error."""
    gc.collect()  # otherwise the garbage of the start would also be frozen
    gc.freeze()  # what is imported and wired stays, so it need not be scanned again
    stop = asyncio.Event()
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, stop.set)
    tasks = {asyncio.ensure_future(loop(stop)): name for name, loop in loops.items()}
    stopper = asyncio.ensure_future(stop.wait())
    done, _ = await asyncio.wait({*tasks, stopper}, return_when=asyncio.FIRST_COMPLETED)
    asked_to_stop = stopper in done
    stop.set()
    _, late = await asyncio.wait(tasks, timeout=STOP_LIMIT_S)
    for task in late:
        log.warning("%s did not stop within %.0f s and is cancelled", tasks[task], STOP_LIMIT_S)
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for task, result in zip(tasks, results, strict=True):
        if isinstance(result, Exception):
            raise result
        if not asked_to_stop and task in done:
            raise RuntimeError(f"{tasks[task]} stopped unexpectedly")


def main(service: str, build: Callable[[Mapping[str, str]], Awaitable[None]]) -> None:
    """The entry point of a service. Settings errors are printed in plain words (status 2), anything
    else as a traceback (status 1). Both end the process, so that its supervisor sees it."""
    set_up_logging(service, os.environ)
    try:
        asyncio.run(build(os.environ))  # type: ignore[arg-type] # an Awaitable from an async def
    except SettingsError as error:
        for problem in error.problems:
            log.error("settings: %s", problem)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:  # the last line of the process: report it, then end
        log.critical("%s exits after an error", service, exc_info=True)
        sys.exit(1)


def set_up_logging(service: str, environ: Mapping[str, str]) -> None:
    """Log lines for people, or JSON with LOG_FORMAT=json; LOG_LEVEL sets the threshold."""
    handler = logging.StreamHandler(sys.stderr)
    if environ.get("LOG_FORMAT") == "json":
        handler.setFormatter(_JsonFormatter(service))
    else:
        handler.setFormatter(TextFormatter())
    logging.basicConfig(
        level=environ.get("LOG_LEVEL", "INFO").upper(), handlers=[handler], force=True
    )
    for chatty in ("aiokafka", "botocore", "faust", "mode", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """Format for people: each message is one line, without control characters for the terminal."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- logging names it
        """See logging.Formatter."""
        record.message = one_line(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 -- logging names it
        """See logging.Formatter."""
        return lines(super().formatException(ei))


class _JsonFormatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _report(reasons: Mapping[str, str], still: Mapping[str, str] | None = None) -> JSONResponse:
    """Anybody may read this, so the addresses of Kafka and other servers appear only in the log."""
    public = {name: _ADDRESS.sub(_hidden, reason) for name, reason in reasons.items()}
    more = {"still": dict(still)} if still else {}
    return JSONResponse({"ok": not reasons, "reasons": public, **more}, 503 if reasons else 200)


def _hidden(found: re.Match[str]) -> str:
    return found["time"] or "(address)"


async def _metrics(_: Request) -> Response:
    return PlainTextResponse(generate_latest(), media_type=CONTENT_TYPE_LATEST)
