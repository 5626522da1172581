"""The stack as a Python object, with the supervisor in its own thread, for tests and tools.

    with Infra(Paths(state, cache), environ) as infra:
        infra.bootstrap, infra.dsn, infra.s3, infra.mqtt_port
        infra.start_service("detector", {"DETECTOR_SKIP": "off"}); infra.kill("detector")

The parts are processes with PARTS' names plus the services. Everything ends with the `with`.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from signal import SIGKILL, Signals
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeVar

from tools.stack import jars, kafka, mqtt, objects, postgres, services
from tools.stack.checks import HOST, free_ports, require_free
from tools.stack.console import Console
from tools.stack.errors import StackError
from tools.stack.patience import POLL_S
from tools.stack.pids import Lock, end_leftovers, one_at_a_time
from tools.stack.progress import download_progress
from tools.stack.settings import PORTS, Paths, StackSettings, inherited
from tools.stack.supervisor import Part, Supervisor

PARTS: Final = ("kafka", "postgres", "s3", "mqtt")
_INFRA_PORTS: Final = {
    "kafka": ("kafka", "kafka_controller"),
    "postgres": ("postgres",),
    "s3": ("s3",),
    "mqtt": ("mqtt",),
}
T = TypeVar("T")


class S3(NamedTuple):
    """How to reach the object store."""

    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str


def build(settings: StackSettings, names: Sequence[str] = PARTS) -> list[Part]:
    """Return the infrastructure's parts, with everything they need downloaded and prepared."""
    env = settings.python_env
    paths = settings.paths
    wanted: list[Part] = []
    if {"kafka", "s3"} & set(names):
        archives = _archives(paths)
        if "kafka" in names:
            class_path = [path for jar, path in archives.items() if not jar.is_s3proxy]
            wanted.append(kafka.part(settings, class_path, env))
        if "s3" in names:
            class_path = [path for jar, path in archives.items() if jar.is_s3proxy]
            wanted.append(objects.part(settings, class_path, env))
    if "postgres" in names:
        wanted.append(postgres.part(settings, env))
    if "mqtt" in names:
        with one_at_a_time(paths.cache):
            wanted.append(mqtt.part(settings, env))
    return wanted


def download(settings: StackSettings) -> None:
    """Fill the cache with what the servers need. Does not touch a running stack."""
    _archives(settings.paths)
    with one_at_a_time(settings.paths.cache):
        mqtt.install(settings.paths.cache, settings.python_env)


def _archives(paths: Paths) -> dict[jars.Jar, Path]:
    with one_at_a_time(paths.cache), download_progress() as progress:
        return jars.fetch(paths.cache / "maven", progress)


def used_ports(settings: StackSettings, names: Sequence[str]) -> dict[str, int]:
    """Return the ports that these parts and services will listen on, keyed by setting."""
    used = [port for name in names for port in _INFRA_PORTS.get(name, (name,))]
    return {name: settings.ports[name] for name in used}


def lan_ports(settings: StackSettings) -> dict[str, int]:
    """Return the ports that are open on the local network, keyed by setting."""
    doors = ["mqtts", *(door for name, door in services.DOORS.items() if name in settings.services)]
    return {name: settings.ports[name] for name in doors}


class Infra:
    """Real servers for tests, with ports chosen by the system and a state folder of the
    caller's."""

    def __init__(
        self,
        paths: Paths,
        environ: Mapping[str, str],
        ports: Mapping[str, int] | None = None,
        parts: Sequence[str] = PARTS,
    ) -> None:
        chosen = dict(zip(PORTS, free_ports(len(PORTS)), strict=True)) | dict(ports or {})
        self.settings = StackSettings(paths, chosen, (), python_env=inherited(environ))
        self.bootstrap = f"{HOST}:{chosen['kafka']}"
        self.mqtt_host, self.mqtt_port = HOST, chosen["mqtt"]
        self._parts = tuple(parts)
        self._built: dict[str, Part] = {}
        self._console = Console(paths.logs)
        self._lock = Lock(paths.state)
        self._supervisor = Supervisor(paths.run, self._console)
        self._loop: asyncio.AbstractEventLoop
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        paths = self.settings.paths
        with ExitStack() as undo:
            undo.callback(self._console.close)
            self._lock.take()
            undo.callback(self._lock.release)
            end_leftovers(paths.run)
            require_free(used_ports(self.settings, self._parts))
            self._built = {part.name: part for part in build(self.settings, self._parts)}
            undo.callback(self._run_loop())
            for name in self._parts:
                self._call(self._start(self._built[name]))
            self.wait_healthy(*self._parts)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    # ------------------------------------------------------------ addresses and files
    @property
    def dsn(self) -> str:
        """Return PostgreSQL's address, as the database's owner."""
        return postgres.database_url(self.settings.paths, self.settings.ports["postgres"])

    @property
    def s3(self) -> S3:
        """Return the object store with its bucket."""
        paths, port = self.settings.paths, self.settings.ports["s3"]
        return S3(
            f"http://{HOST}:{port}",
            objects.REGION,
            objects.BUCKET,
            objects.ACCESS_KEY,
            objects.secret_key(paths),
        )

    @property
    def mqtt_bridge(self) -> tuple[str, str]:
        """Return the bridge's user name and password."""
        return mqtt.BRIDGE, (self.settings.paths.secrets / "mqtt_bridge").read_text("utf-8")

    @property
    def keys_file(self) -> Path:
        """Return the file of API keys that services started here read."""
        return services.key_file(self.settings.paths)

    def add_device(self, site: str, device: str) -> tuple[str, str]:
        """Add a device to the broker and return its user name and password."""
        return f"{site}/{device}", mqtt.add_device(self.settings.paths, f"{site}/{device}")

    def env_for(self, service: str) -> dict[str, str]:
        """Return the environment that a service would get here."""
        return services.env_for(service, self.settings)

    def url(self, service: str) -> str:
        """Return the URL of a service started here."""
        return f"http://{HOST}:{self.settings.ports[service]}"

    def log(self, name: str) -> str:
        """Return the output of a part so far."""
        path = self.settings.paths.logs / f"{name}.log"
        return path.read_text("utf-8") if path.exists() else ""

    # ------------------------------------------------------------ start, stop, kill
    def start_service(
        self, service: str, env: Mapping[str, str] | None = None, limit_s: float = 60.0
    ) -> None:
        """Start a service as a separate process and wait until it is ready."""
        self.run_part(services.part(service, self.settings, self._parts, env or {}), limit_s)

    def run_part(self, part: Part, limit_s: float = 60.0) -> None:
        """Start any process under the supervisor and wait until it is ready."""
        self._built[part.name] = part
        self._call(self._start(part))
        self.wait_healthy(part.name, limit_s=limit_s)

    def stop(self, name: str) -> None:
        """Stop a part cleanly. It stays stopped until `start`."""
        self._call(self._supervisor.stop(name))

    def start(self, name: str, limit_s: float = 60.0) -> None:
        """Start a part that was stopped, and wait until it is ready."""
        self._call(self._start(self._built[name]))
        self.wait_healthy(name, limit_s=limit_s)

    def kill(self, name: str, number: Signals = SIGKILL) -> int:
        """Send a signal to a part's process and return its pid. A process that ends is
        restarted."""
        return self._call(self._signal(name, number))

    def wait_healthy(self, *names: str, limit_s: float = 120.0) -> None:
        """Wait until all are healthy. Raises StackError if one is not healthy in time."""
        self._call(self._supervisor.healthy(names, limit_s), limit_s + 10.0)

    def wait_restarted(self, name: str, starts: int, limit_s: float = 60.0) -> None:
        """Wait until a part is healthy in at least its `starts`-th life."""
        self._call(self._restarted(name, starts, limit_s), limit_s + 10.0)

    def starts(self, name: str) -> int:
        """Return how often a part was started."""
        return self._supervisor.units[name].starts

    def pid(self, name: str) -> int:
        """Return the pid of a part's process. Raises StackError if it is not running."""
        process = self._supervisor.units[name].process
        if process is None or process.returncode is not None:
            raise StackError(f"{name} is not running")
        return process.pid

    # ------------------------------------------------------------ the thread
    def _call(self, work: Coroutine[Any, Any, T], limit_s: float = 150.0) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(limit_s)

    async def _start(self, part: Part) -> None:
        self._supervisor.start(part)

    async def _signal(self, name: str, number: Signals) -> int:
        return self._supervisor.signal(name, number)

    async def _restarted(self, name: str, starts: int, limit_s: float) -> None:
        unit = self._supervisor.units[name]
        deadline = time.monotonic() + limit_s
        while unit.starts < starts or not unit.healthy.is_set():
            if time.monotonic() > deadline:
                raise StackError(f"{name}: start {unit.starts} of {starts}, {unit.state}")
            await asyncio.sleep(POLL_S)

    def _run_loop(self) -> Callable[[], None]:
        """Start the thread and return the function that ends all parts, then the thread."""
        self._loop = loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="supervisor", daemon=True)
        thread.start()

        def end() -> None:
            self._call(self._supervisor.close())
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10.0)
            loop.close()

        return end
