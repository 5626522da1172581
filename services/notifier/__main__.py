"""The notifier: the live view of the system for browsers and other programs.

Topics in (each instance reads all partitions, without a group): slot-state, slot-changes,
camera-status, layouts, sessions; and frames while somebody is watching. Topics out, on requests
with an API key: gate-events, plates, layouts, site-commands. From ingest (LIVE_URL) come live
pictures of the cameras that it polls, while somebody is watching; requests to list, try, add and
remove those cameras go to it. While ingest is down, frames from Kafka are shown instead.

When Kafka is down, the known state stays readable, /readyz fails and writes answer 503. When Kafka
is back, the tail continues where it stopped. When Postgres is down, only history, /api/captures,
slot proposals and layout versions answer 503; where people have to sign in (SIGN_IN=required),
nobody can, and existing sign-ins end within a minute. When the object store is down, only the
pictures of past changes answer 503. When the OpenID Connect provider is down, passwords and
existing sign-ins still work. A record that cannot be read is counted and skipped; the persister
dead-letters it, so that the notifier's instances do not each dead-letter it too. Any other error
ends the process; its clients reconnect with their last id, to any instance, and miss nothing.

Several instances can run side by side, independently of each other; they share only Kafka.
"""

import sys
from collections.abc import Mapping
from functools import partial

from parking.access.account_postgres import PostgresAccounts
from parking.access.devices import Devices
from parking.access.keys import KeyFile
from parking.access.oidc_client import OidcClient
from parking.access.oidc_sign_ins import OidcSignIns
from parking.access.passwords import Passwords
from parking.access.sign_ins import SignIns
from parking.access.visitors import visitors
from parking.runtime.giveback import give_back
from parking.runtime.heartbeats import Heartbeats
from parking.runtime.objects import S3Objects, new_client
from parking.runtime.ops import Health, Loop, SystemClock, http_loop, main, serve
from parking.runtime.pulse import kafka_pulse
from parking.runtime.rates import Rates
from services.notifier.adapters import KafkaLog, LateProducer
from services.notifier.api.app import Parts, make_app
from services.notifier.cameras import PolledCameras
from services.notifier.evidence import Evidence
from services.notifier.feed import Feed
from services.notifier.groups import KafkaGroups
from services.notifier.history import History
from services.notifier.live import Live
from services.notifier.moments import Moments
from services.notifier.pictures import Pictures
from services.notifier.previews import Previews
from services.notifier.settings import Settings
from services.notifier.stages import StageWatch
from services.notifier.tail import Watch, follow_log
from services.notifier.tidying import tidy_accounts


async def build(environ: Mapping[str, str]) -> None:
    """Wire up the notifier and run it until it is stopped."""
    settings = Settings.from_env(environ)
    clock, health = SystemClock(), Health()
    log_, frames_log, watch_log = (KafkaLog(settings.kafka) for _ in range(3))
    groups = KafkaGroups(settings.kafka)
    feed, heartbeats = Feed(log_, clock, settings.limits), Heartbeats(health, clock)
    pictures = Pictures(frames_log, feed, clock)
    history = History(settings.database_url) if settings.database_url else None
    stored = settings.objects
    objects = S3Objects(new_client(stored), stored.bucket) if stored else None
    producer = LateProducer(settings.kafka)
    live = Live(settings.live, pictures, settings.limits, clock) if settings.live else None
    keys = KeyFile(settings.keys_file)
    chosen = settings.sign_in
    accounts = PostgresAccounts(chosen.url) if chosen else None
    sign_ins = oidc = None
    if chosen is not None and accounts is not None:
        sign_ins = SignIns(accounts, Passwords(), clock, chosen.expiry)
        oidc = OidcSignIns(sign_ins, OidcClient(chosen.oidc, clock)) if chosen.oidc else None
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
        cameras=PolledCameras(settings.live) if settings.live else None,
        evidence=Evidence(history, objects) if history and objects else None,
        moments=Moments(history, objects) if history else None,
        source_url=settings.source_url,
        sign_ins=sign_ins,
        setup_code=chosen.setup_code if chosen else "",
        secure_cookie=chosen is not None and chosen.secure_cookie,
        oidc=oidc,
        previews=Previews(settings.detector_url) if settings.detector_url else None,
    )
    app = make_app(parts, settings.cors_origins, settings.dashboard_dir)
    follow = partial(
        follow_log, log_=log_, feed=feed, health=health, clock=clock, took=heartbeats.passed
    )
    try:
        loops: dict[str, Loop] = {
            "http": http_loop(Rates(app, visitors(keys), settings.http.rates), settings.http),
            "log": follow,
            "pulse": kafka_pulse(settings.kafka, health, feed.stands_still),
            "watch": Watch(watch_log, feed, health).loop,
            "heartbeats": heartbeats.loop,
            "stages": StageWatch(
                groups, health, clock, feed.stages_stand_still, heartbeats.has_any
            ).loop,
            "pictures": pictures.run,
            "memory": partial(give_back, moved=lambda: feed.moved),
        }
        if live is not None:
            loops["live"] = live.run
        if chosen is not None and sign_ins is not None:
            loops["accounts"] = partial(
                tidy_accounts, sign_ins=sign_ins, audit_days=chosen.audit_days, clock=clock
            )
        await serve(loops)
    finally:
        await producer.close()
        for reader in (log_, frames_log, watch_log, groups):
            await reader.close()
        if history is not None:
            await history.close()
        if accounts is not None:
            await accounts.close()
        if objects is not None:
            objects.close()


if __name__ == "__main__":
    if "--help" in sys.argv or "-h" in sys.argv:
        sys.stdout.write(f"{__doc__}\nSettings: {Settings.__doc__}\n")
    else:
        main("notifier", build)
