"""Run the whole system on this machine: real servers, the services, the demo site.

  run      start everything; Ctrl-C ends it (also: infra, only the servers)
  status   show what runs, on which ports, with how much memory
  stop     end a stack that runs in another terminal
  clean    delete its data (all of it is below .state/); --all: also the downloads
  env      print the environment of a service or tool: env [ingest|...|tool]
  fetch    only download what the stack needs

Settings (environment, or `make run NAME=value`): SERVICES=ingest,... or none; DEMO=off;
DEVICES=unix:4 (4 of the demo's devices run the real firmware under MicroPython);
FOOTAGE=DIR; STATE=DIR; CACHE=DIR (downloads); PORT_KAFKA=... (one for every port); LOG_FORMAT=json;
KAFKA_HEAP_MB=512; FRAME_MAX_BYTES=1000000;
SIGN_IN=required (people sign in; default off, with LAN=1 required); LAN=1 (open the page, MQTT
and ingest to the local network, with TLS and keys; LAN_HOST=ADDRESS, make's HOST: there).
"""

import argparse
import asyncio
import dataclasses
import os
import shlex
import shutil
import signal
import sys
import time

import psycopg

from parking.access.keys import SCOPES, KeyFile
from parking.core.errors import SettingsError
from tools.stack import demo, postgres, services, status
from tools.stack.checks import HOST, require_free
from tools.stack.console import Console
from tools.stack.errors import StackError
from tools.stack.infra import PARTS, build, download, used_ports
from tools.stack.lan import open_to_lan, show_lan
from tools.stack.network import remembered
from tools.stack.pids import Lock, end_leftovers
from tools.stack.settings import StackSettings
from tools.stack.supervisor import Part, Supervisor

STOP_LIMIT_S = 90.0


def main() -> int:
    """Run one command. An error prints a plain message and returns 1 (2 for wrong settings)."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.stack",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("service", nargs="?", default="tool", help="for env")
    parser.add_argument("--all", action="store_true", help="for clean: also delete the downloads")
    options = parser.parse_args()
    try:
        return COMMANDS[options.command](StackSettings.from_env(os.environ), options)
    except SettingsError as error:
        for problem in error.problems:
            print(f"settings: {problem}", file=sys.stderr)
        return 2
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1


# ---------------------------------------------------------------- commands
def run(settings: StackSettings, _: argparse.Namespace) -> int:
    """Start everything and keep it running until a signal comes."""
    paths = settings.paths
    lock = Lock(paths.state)
    lock.take()
    status.forget(paths)
    console = Console(paths.logs, settings.log_format, sys.stdout)
    try:
        for name in end_leftovers(paths.run):
            console.say(f"ended {name}, which was left over from a killed stack")
        require_free(used_ports(settings, (*PARTS, *settings.services)))
        open_to_lan(settings, console)
        console.say("preparing (the first time this downloads about 100 MB)")
        demo.footage(settings)  # reports a wrong FOOTAGE before anything starts
        parts = build(settings)
        parts += [
            services.part(name, settings, PARTS, demo.env_for_service(name, settings))
            for name in settings.services
        ]
        return asyncio.run(_keep(settings, parts, console))
    finally:
        console.close()
        lock.release()


def infra(settings: StackSettings, options: argparse.Namespace) -> int:
    """Start the servers alone."""
    return run(dataclasses.replace(settings, services=(), demo=False), options)


def show_status(settings: StackSettings, _: argparse.Namespace) -> int:
    """Print the table."""
    for line in status.table(settings.paths):
        print(line)
    return 0


def stop(settings: StackSettings, _: argparse.Namespace) -> int:
    """Stop the stack that runs here and wait until it has stopped."""
    lock = Lock(settings.paths.state)
    holder = lock.holder()
    if holder is None:
        print("nothing is running here")
        return 0
    os.kill(holder, signal.SIGTERM)
    deadline = time.monotonic() + STOP_LIMIT_S
    while lock.holder() == holder:
        if time.monotonic() > deadline:
            raise StackError(f"pid {holder} did not exit within {STOP_LIMIT_S:.0f} s")
        time.sleep(0.1)
    return 0


def clean(settings: StackSettings, options: argparse.Namespace) -> int:
    """Delete what the stack created, and nothing else."""
    paths = settings.paths
    lock = Lock(paths.state)
    lock.take()
    end_leftovers(paths.run)
    folders = [paths.data, paths.logs, paths.run, paths.secrets, paths.state / "kafka"]
    for folder in [*folders, *([paths.cache] if options.all else [])]:
        shutil.rmtree(folder, ignore_errors=True)
    lock.release()
    (paths.state / "lock").unlink(missing_ok=True)
    return 0


def env(settings: StackSettings, options: argparse.Namespace) -> int:
    """Print `export NAME=value` lines, for only what differs from the caller's environment."""
    settings = dataclasses.replace(settings, lan=settings.lan or remembered(settings.paths.lan))
    for name, value in services.env_for(options.service, settings).items():
        if os.environ.get(name) != value:
            print(f"export {name}={shlex.quote(value)}")
    return 0


def fetch(settings: StackSettings, _: argparse.Namespace) -> int:
    """Only download. This works even while a stack runs here."""
    download(settings)
    return 0


# ---------------------------------------------------------------- the run
async def _keep(settings: StackSettings, parts: list[Part], console: Console) -> int:
    supervisor = Supervisor(settings.paths.run, console)
    supervisor.changed = lambda: status.write(settings.paths, supervisor)
    stopping = asyncio.Event()

    def on_signal() -> None:
        if stopping.is_set():
            console.say("second signal: killing everything")
            supervisor.kill_all()
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup: keep running
        # The terminal was closed. The kernel and the shell may both signal it: a second signal does
        # not force the exit.
        loop.add_signal_handler(signal.SIGHUP, stopping.set)
    for part in parts:
        supervisor.start(part)
    up = asyncio.create_task(_come_up(settings, supervisor, console))
    waits = [asyncio.create_task(event.wait()) for event in (stopping, supervisor.failed)]
    try:
        await asyncio.wait([*waits, up], return_when=asyncio.FIRST_COMPLETED)
        if up.done() and not stopping.is_set():
            up.result()
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return 1 if supervisor.failed.is_set() and not stopping.is_set() else 0
    finally:
        up.cancel()
        for wait in waits:
            wait.cancel()
        console.say("stopping")
        await supervisor.close()
        console.say("stopped")


async def _come_up(settings: StackSettings, supervisor: Supervisor, console: Console) -> None:
    began = time.monotonic()
    await supervisor.healthy(["kafka", "mqtt"])
    footage = demo.footage(settings)
    if footage is not None:
        await asyncio.to_thread(demo.publish_layouts, settings, footage)
        for part in demo.parts(settings, footage):
            supervisor.start(part)
    await supervisor.healthy(list(supervisor.units))
    console.say(f"everything is running, after {time.monotonic() - began:.1f} s; Ctrl-C stops it")
    if "notifier" in settings.services:
        console.say(f"open http://{HOST}:{settings.ports['notifier']}")
    # Printed last so that they are seen, because keys are shown only once. Services load new ones
    # by themselves.
    show_lan(settings, console)
    _show_first_key(settings)
    if settings.sign_in == "required" and "notifier" in settings.services:
        await _show_setup_code(settings)


def _show_first_key(settings: StackSettings) -> None:
    keys = KeyFile(services.key_file(settings.paths))
    if settings.services and not set(keys.names()) - {services.NOTIFIERS_KEY}:
        key = keys.add("local", *(scope for scope in SCOPES if scope != "frames"))
        print(f"\n  Your API key, shown only once (only its hash is stored): {key}\n", flush=True)


async def _show_setup_code(settings: StackSettings) -> None:
    """Show the setup code, but only while there is no account."""
    url = postgres.accounts_url(settings.paths, settings.ports["postgres"])
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute("select 1 from accounts.accounts limit 1")
        if await found.fetchone() is None:
            code = services.setup_code(settings.paths).read_text("utf-8").strip()
            print(
                f"  The page asks for this code to create the administrator: {code}\n", flush=True
            )


COMMANDS = {
    "run": run,
    "infra": infra,
    "status": show_status,
    "stop": stop,
    "clean": clean,
    "env": env,
    "fetch": fetch,
}

if __name__ == "__main__":
    sys.exit(main())
