"""The notifier: what browsers and other programs see of the system, live.

Topics in, each instance all partitions, without a group: slot-state, slot-changes, camera-status,
layouts, sessions; and frames while somebody watches. Topics out, by requests with an API key:
gate-events, plates, layouts, site-commands. From ingest, while somebody watches: live pictures of
the cameras that it fetches (LIVE_URL); ingest away: what comes to Kafka is shown instead.

Kafka away: what is known stays readable, /readyz fails, writes answer 503; on return the tail goes
on where it stopped. Postgres away: only /api/history and /api/captures answer 503. A record that
cannot be read is counted and passed over: it is the persister's to set aside, once and not by
every instance. Anything unexpected ends the process; its clients come back with their last id, to
any instance, and miss nothing.

Several instances side by side know nothing of each other and need nothing in common but Kafka.
"""

import sys
from collections.abc import Mapping
from functools import partial

from parking.devices import Devices
from parking.keys import KeyFile
from parking.ops import Health, Loop, SystemClock, http_loop, main, serve
from services.notifier.adapters import KafkaLog, LateProducer
from services.notifier.app import Parts, make_app
from services.notifier.feed import Feed
from services.notifier.history import History
from services.notifier.live import Live
from services.notifier.pictures import Pictures
from services.notifier.settings import Settings
from services.notifier.tail import Watch, follow_log


async def build(environ: Mapping[str, str]) -> None:
    """Wire and run until told to stop."""
    settings = Settings.from_env(environ)
    clock, health = SystemClock(), Health()
    log_, frames_log, watch_log = (KafkaLog(settings.kafka) for _ in range(3))
    feed = Feed(log_, clock, settings.limits)
    pictures = Pictures(frames_log, feed, clock)
    history = History(settings.database_url) if settings.database_url else None
    producer = LateProducer(settings.kafka)
    live = Live(settings.live, pictures, settings.limits, clock) if settings.live else None
    keys = KeyFile(settings.keys_file)
    parts = Parts(
        feed=feed,
        pictures=pictures,
        history=history,
        producer=producer,
        keys=keys,
        clock=clock,
        health=health,
        devices=Devices(settings.devices_file, keys) if settings.devices_file else None,
        address=settings.device_address,
        plates=settings.plates,
        live=live,
    )
    app = make_app(parts, settings.cors_origins, settings.dashboard_dir)
    follow = partial(follow_log, log_=log_, feed=feed, health=health, clock=clock)
    try:
        loops: dict[str, Loop] = {
            "http": http_loop(app, settings.http),
            "log": follow,
            "watch": Watch(watch_log, feed, health).loop,
            "pictures": pictures.run,
        }
        if live is not None:
            loops["live"] = live.run
        await serve(loops)
    finally:
        await producer.close()
        for reader in (log_, frames_log, watch_log):
            await reader.close()
        if history is not None:
            await history.close()


if __name__ == "__main__":
    if "--help" in sys.argv or "-h" in sys.argv:
        sys.stdout.write(f"{__doc__}\nSettings: {Settings.__doc__}\n")
    else:
        main("notifier", build)
