"""Run the whole system on this machine: real servers, the services, the demo site.

  run      start everything; Ctrl-C ends it (also: infra, the servers alone)
  status   what runs, on which ports, with how much memory
  stop     end a stack that runs elsewhere
  clean    delete its data (all of it is below .state/); --all: the downloads too
  env      print the environment of a service or tool: env [ingest|...|tool]
  fetch    download what the stack needs, start nothing

Settings (environment, or `make run NAME=value`): SERVICES=ingest,... or none; DEMO=off;
DEVICES=unix:4 (as many of the demo's devices run the firmware itself, under MicroPython);
FOOTAGE=DIR; STATE=DIR; CACHE=DIR (downloads); PORT_KAFKA=... (every port has one); LOG_FORMAT=json;
KAFKA_HEAP_MB=512; FRAME_MAX_BYTES=1000000.
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

from parking.errors import SettingsError
from parking.keys import SCOPES, KeyFile
from parking.stack import demo, services, status
from parking.stack.checks import HOST, require_free
from parking.stack.console import Console
from parking.stack.errors import StackError
from parking.stack.infra import PARTS, build, download, used_ports
from parking.stack.pids import Lock, end_leftovers
from parking.stack.settings import StackSettings
from parking.stack.supervisor import Part, Supervisor

UP_LIMIT_S = 180.0
STOP_LIMIT_S = 90.0


def main() -> int:
    """Run one command; a fault is told in plain words, status 1 (2 for wrong settings)."""
    parser = argparse.ArgumentParser(
        prog="python -m parking.stack",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("service", nargs="?", default="tool", help="for env")
    parser.add_argument("--all", action="store_true", help="for clean: the downloads too")
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
    """Start everything and keep it until a signal comes."""
    paths = settings.paths
    lock = Lock(paths.state)
    lock.take()
    status.forget(paths)
    console = Console(paths.logs, settings.log_format, sys.stdout)
    try:
        for name in end_leftovers(paths.run):
            console.say(f"ended {name}, left over from a stack that was killed")
        require_free(used_ports(settings, (*PARTS, *settings.services)))
        console.say("making ready (the first time: downloads of about 100 MB)")
        demo.footage(settings)  # tells of a wrong FOOTAGE before anything starts
        parts = build(settings)
        parts += [
            services.part(name, settings, PARTS, demo.env_for_service(name, settings))
            for name in settings.services
        ]
        _make_first_key(settings)
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
    """End the stack that runs here and wait until it has."""
    lock = Lock(settings.paths.state)
    holder = lock.holder()
    if holder is None:
        print("nothing runs here")
        return 0
    os.kill(holder, signal.SIGTERM)
    deadline = time.monotonic() + STOP_LIMIT_S
    while lock.holder() == holder:
        if time.monotonic() > deadline:
            raise StackError(f"pid {holder} did not end in {STOP_LIMIT_S:.0f} s")
        time.sleep(0.1)
    return 0


def clean(settings: StackSettings, options: argparse.Namespace) -> int:
    """Delete what the stack made, and nothing else."""
    paths = settings.paths
    lock = Lock(paths.state)
    lock.take()
    end_leftovers(paths.run)
    made = [paths.data, paths.logs, paths.run, paths.secrets, paths.state / "kafka"]
    for folder in [*made, *([paths.cache] if options.all else [])]:
        shutil.rmtree(folder, ignore_errors=True)
    lock.release()
    (paths.state / "lock").unlink(missing_ok=True)
    return 0


def env(settings: StackSettings, options: argparse.Namespace) -> int:
    """Print `export NAME=value` lines, only what differs from the caller's environment."""
    for name, value in services.env_for(options.service, settings).items():
        if os.environ.get(name) != value:
            print(f"export {name}={shlex.quote(value)}")
    return 0


def fetch(settings: StackSettings, _: argparse.Namespace) -> int:
    """Only download: it may be asked for while a stack runs here."""
    download(settings)
    return 0


# ---------------------------------------------------------------- the run
async def _keep(settings: StackSettings, parts: list[Part], console: Console) -> int:
    supervisor = Supervisor(settings.paths.run, console)
    supervisor.changed = lambda: status.write(settings.paths, supervisor)
    asked = asyncio.Event()

    def on_signal() -> None:
        if asked.is_set():
            console.say("asked again: ending everything at once")
            supervisor.kill_all()
        asked.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup asked us to live on
        # The terminal was closed. The system and the shell may both tell us: that is no hurry.
        loop.add_signal_handler(signal.SIGHUP, asked.set)
    for part in parts:
        supervisor.start(part)
    up = asyncio.create_task(_come_up(settings, supervisor, console))
    waits = [asyncio.create_task(event.wait()) for event in (asked, supervisor.failed)]
    try:
        await asyncio.wait([*waits, up], return_when=asyncio.FIRST_COMPLETED)
        if up.done() and not asked.is_set():
            up.result()
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return 1 if supervisor.failed.is_set() and not asked.is_set() else 0
    finally:
        up.cancel()
        for wait in waits:
            wait.cancel()
        console.say("stopping")
        await supervisor.close()
        console.say("stopped")


async def _come_up(settings: StackSettings, supervisor: Supervisor, console: Console) -> None:
    began = time.monotonic()
    await supervisor.healthy(["kafka", "mqtt"], UP_LIMIT_S)
    footage = demo.footage(settings)
    if footage is not None:
        await asyncio.to_thread(demo.publish_layouts, settings, footage)
        for part in demo.parts(settings, footage):
            supervisor.start(part)
    await supervisor.healthy(list(supervisor.units), UP_LIMIT_S)
    console.say(f"everything runs, after {time.monotonic() - began:.1f} s; Ctrl-C ends it")
    if "notifier" in settings.services:
        console.say(f"open http://{HOST}:{settings.ports['notifier']}")


def _make_first_key(settings: StackSettings) -> None:
    keys = KeyFile(services.key_file(settings.paths))
    if settings.services and not set(keys.names()) - {services.NOTIFIERS_KEY}:
        key = keys.add("local", *(scope for scope in SCOPES if scope != "frames"))
        print(f"\n  Your API key, shown this once (it is kept hashed): {key}\n", flush=True)


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
