"""Each device's and each site's share of what ingest takes by MQTT and polls. Pure, bounded.

A message that exceeds the share is neither written nor dead-lettered, so a flood costs Kafka and
the tracker nothing. Its device gets an ack `rejected` with the reason `rate`, which means: keep the
event and send it again. A polled camera's next picture comes after its interval.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from parking.core.shares import Buckets, Rate
from parking.core.topics import holds_pictures, sender_of, site_of
from parking.runtime.settings import Reader
from services.ingest.messages import Message

RATE: Final = "rate"
Of = Literal["device", "site"]
What = Literal["events", "frames", "bytes", "letters"]

_ANSWERS: Final = Rate(5, 20)
"""Acks for refused messages per device. More would be a flood of our own."""
_REPORT_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class ShareSettings:
    """SHARES (on): `off` removes all limits;
    limits of one device, and of all devices of one site, by MQTT or polled, as PER_SECOND/AT_ONCE
    (or off):
    SHARE_DEVICE_EVENTS (20/200), SHARE_SITE_EVENTS (50/400): gate events, status and telemetry;
    SHARE_DEVICE_FRAMES (20/60), SHARE_SITE_FRAMES (500/1000): pictures;
    SHARE_DEVICE_BYTES (4000000/16000000), SHARE_SITE_BYTES (40000000/80000000): bytes of both;
    SHARE_DEVICE_LETTERS (5000/4000000): bytes of one device's invalid messages stored as
    dead letters; more are refused and counted, but not stored."""

    rates: Mapping[tuple[Of, What], Rate]

    @classmethod
    def read(cls, env: Reader) -> "ShareSettings":
        """Read SHARES and SHARE_*."""
        on = env.flag("SHARES", True)
        rates = {}
        for (of, what), default in _DEFAULTS.items():
            name = f"SHARE_{of}_{what}".upper()
            try:
                rates[of, what] = Rate.parse(env.text(name, default) if on else "off")
            except ValueError as error:
                env.problems.append(f"{name}: {error}; expected PER_SECOND/AT_ONCE or off")
        return cls(rates)


_DEFAULTS: Final[dict[tuple[Of, What], str]] = {
    ("device", "events"): "20/200",
    ("site", "events"): "50/400",
    ("device", "frames"): "20/60",
    ("site", "frames"): "500/1000",
    ("device", "bytes"): "4000000/16000000",
    ("site", "bytes"): "40000000/80000000",
    ("device", "letters"): "5000/4000000",
}


@dataclass(frozen=True, slots=True)
class Excess:
    """A message that exceeds a share. `answer` says whether the device gets an ack, `report`
    whether this is the device's first such message in a minute."""

    of: Of
    what: What
    rate: Rate
    answer: bool
    report: bool

    @property
    def detail(self) -> str:
        """An explanation for the device's operator."""
        return (
            f"this {self.of} sends more than {self.rate.per_s:g} {self.what} a second: "
            "keep the event and send it again later"
        )


class Shares:
    """What is left of each device's and site's share. All lanes use one object."""

    def __init__(self, settings: ShareSettings) -> None:
        self._buckets = {key: Buckets(rate) for key, rate in settings.rates.items()}
        self._answers = Buckets(_ANSWERS)
        self._reports = Buckets(Rate(1000 / _REPORT_MS, 1))

    def excess(self, message: Message) -> Excess | None:
        """Deduct the message from its sender's share; return Excess when none is left. Not counted
        are messages retained by the broker, which arrive once per subscription, and ingest's own
        reports about polled cameras."""
        sender = sender_of(message.topic)
        if sender is None or message.retained or message.via == "pull":
            return None
        now_ms = message.received_at_ms
        what: What = "frames" if holds_pictures(message.topic) else "events"
        keys: tuple[tuple[Of, str], ...] = (("device", sender), ("site", site_of(sender)))
        for of, key in keys:
            amounts: tuple[tuple[What, int], ...] = ((what, 1), ("bytes", len(message.payload)))
            for kind, amount in amounts:
                buckets = self._buckets.get((of, kind))
                if buckets is not None and not buckets.take(key, amount, now_ms):
                    return Excess(
                        of,
                        kind,
                        buckets.rate,
                        answer=self._answers.take(sender, 1, now_ms),
                        report=self._reports.take(sender, 1, now_ms),
                    )
        return None

    def keeps(self, message: Message, size_bytes: int) -> bool:
        """Return whether a dead letter of this size fits its sender's share; if so, deduct it."""
        sender, buckets = sender_of(message.topic), self._buckets.get(("device", "letters"))
        if sender is None or buckets is None:
            return True
        return buckets.take(sender, size_bytes, message.received_at_ms)
