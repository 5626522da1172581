"""What every service process has: logs, /healthz /readyz /metrics, one task group, signals.

`serve()` owns the process's concurrency: it runs the named loops side by side; the first to end,
or SIGTERM/SIGINT, stops the others, and whatever a loop raises ends the process with status 1.
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
from typing import Final

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from parking.asgi import Habits
from parking.errors import SettingsError
from parking.settings import Reader

log = logging.getLogger(__name__)

Loop = Callable[[asyncio.Event], Awaitable[None]]
STOP_LIMIT_S: Final = 10.0
KEEP_ALIVE_S: Final = 90
_ADDRESS: Final = re.compile(r"(?:\[[0-9a-f:]+\]|[A-Za-z0-9][\w.-]*):\d{2,5}\b")


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
    """Where a service listens, loopback unless told otherwise; and how long it keeps an idle
    connection: longer than proxies do (60 s, some 75), or they use one that has just been closed.
    """

    host: str
    port: int
    keep_alive_s: int = KEEP_ALIVE_S

    @classmethod
    def read(cls, env: Reader, default_port: int) -> "HttpSettings":
        """From HTTP_HOST, HTTP_PORT and HTTP_KEEP_ALIVE_S."""
        return cls(
            env.text("HTTP_HOST", "127.0.0.1"),
            env.integer("HTTP_PORT", default_port, 1, 65535),
            env.integer("HTTP_KEEP_ALIVE_S", KEEP_ALIVE_S, 1, 3600),
        )


@dataclass(slots=True)
class Health:
    """What /healthz and /readyz tell. Alive: nothing `failing`; ready: nothing `waiting` either."""

    failing: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)

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
        return _report(self.failing | self.waiting)


def ops_app(health: Health) -> Starlette:
    """The app of a service that has no HTTP of its own."""
    return Starlette(routes=health.routes())


def http_loop(app: Callable[..., Awaitable[None]], http: HttpSettings) -> Loop:
    """A loop that serves `app` until told to stop."""

    async def loop(stop: asyncio.Event) -> None:
        config = uvicorn.Config(
            Habits(app),
            http.host,
            http.port,
            timeout_keep_alive=http.keep_alive_s,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=3,
            ws_max_size=4096,  # nobody has anything to say by WebSocket; a deflated message
            ws_per_message_deflate=False,  # could be a thousand times larger than it was sent
        )
        server = uvicorn.Server(config)
        task = asyncio.ensure_future(server._serve())  # noqa: SLF001 -- the public one takes the signals
        await asyncio.wait(
            {task, asyncio.ensure_future(stop.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        server.should_exit = True
        await task

    return loop


async def serve(loops: Mapping[str, Loop]) -> None:
    """Run the named loops until the first ends or a signal comes; then stop the others, at most
    STOP_LIMIT_S long. A loop that ends by itself before the stop is an error."""
    gc.collect()  # else the garbage of the start would stay as well
    gc.freeze()  # what is imported and wired stays: not to be searched for garbage ever again
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
        log.warning("%s did not stop in %.0f s and is cancelled", tasks[task], STOP_LIMIT_S)
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for task, result in zip(tasks, results, strict=True):
        if isinstance(result, Exception):
            raise result
        if not asked_to_stop and task in done:
            raise RuntimeError(f"{tasks[task]} ended by itself")


def main(service: str, build: Callable[[Mapping[str, str]], Awaitable[None]]) -> None:
    """The entry point of a service: settings errors in plain words (status 2), anything else a
    traceback (status 1); both end the process for its supervisor to see."""
    set_up_logging(service, os.environ)
    try:
        asyncio.run(build(os.environ))  # type: ignore[arg-type] # an Awaitable from an async def
    except SettingsError as error:
        for problem in error.problems:
            log.error("settings: %s", problem)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:  # the last line of the process: tell it, then end
        log.critical("%s ends after an error", service, exc_info=True)
        sys.exit(1)


def set_up_logging(service: str, environ: Mapping[str, str]) -> None:
    """Lines for people, or JSON with LOG_FORMAT=json; LOG_LEVEL sets the threshold."""
    handler = logging.StreamHandler(sys.stderr)
    if environ.get("LOG_FORMAT") == "json":
        handler.setFormatter(_JsonFormatter(service))
    else:
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
        )
    logging.basicConfig(
        level=environ.get("LOG_LEVEL", "INFO").upper(), handlers=[handler], force=True
    )
    for chatty in ("aiokafka", "botocore", "faust", "mode", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


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


def _report(reasons: Mapping[str, str]) -> JSONResponse:
    """Anybody may ask: where Kafka and the others are is for the log alone."""
    told = {name: _ADDRESS.sub("(address)", reason) for name, reason in reasons.items()}
    return JSONResponse({"ok": not reasons, "reasons": told}, 503 if reasons else 200)


async def _metrics(_: Request) -> Response:
    return PlainTextResponse(generate_latest(), media_type=CONTENT_TYPE_LATEST)
