"""What a person or a script does to a running system: make the topics, publish layouts, command a
site. Used by the command line (`python -m parking`) and by the embedded stack."""

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from parking import codec, lots, reading
from parking.changes import Change, Layouts, written
from parking.effects import Effect, describe, send_and_follow
from parking.errors import Invalid, Retryable
from parking.events import (
    LayoutPublished,
    ParametersSet,
    Recounted,
    Removed,
    SiteCommanded,
    SlotClosed,
    SlotOpened,
    StateCorrected,
)
from parking.kafka import (
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    read_to_end,
)
from parking.ops import SystemClock
from parking.ports import Outgoing
from parking.topics import LAYOUTS, LIVE, SITE_COMMANDS, TOPICS

Command = SlotClosed | SlotOpened | StateCorrected | ParametersSet | Recounted | Removed

T = TypeVar("T")

_ALREADY_EXISTS = 36
_SET_FOR_TOPIC = 1
_LIMITS = (
    "max.message.bytes",
    "retention.ms",
    "retention.bytes",
    "segment.bytes",
    "segment.ms",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
)
log = logging.getLogger(__name__)


async def apply_topics(settings: KafkaSettings, *, replication: int = 1) -> list[str]:
    """Create the topics (of the settings' run) that are missing, and bring the limits of size and
    age and the compaction of the others to what this version needs; returns the names of the new
    ones. Raises Invalid when one exists with another partition count: changing that is a migration,
    not an update."""
    topics = {settings.named(name): topic for name, topic in TOPICS.items()}
    configs = {
        name: topic.config(settings.frame_max_bytes, settings.run) for name, topic in topics.items()
    }
    admin = AIOKafkaAdminClient(**settings.client())
    await admin.start()
    try:
        wanted = [
            NewTopic(name, topic.partitions, replication, topic_configs=configs[name])
            for name, topic in topics.items()
        ]
        answer = await admin.create_topics(wanted)
        made = []
        for name, code, *message in answer.topic_errors:
            if code == 0:
                made.append(name)
            elif code != _ALREADY_EXISTS:
                raise Invalid("topic-refused", f"{name}: {for_code(code).__name__} {message}")
        there = sorted(topics.keys() - set(made))
        for found in await admin.describe_topics(there):
            _compare(found["topic"], len(found["partitions"]), topics[found["topic"]].partitions)
        await _set_limits(admin, {name: configs[name] for name in there})
    finally:
        await admin.close()
    return sorted(made)


async def delete_run(settings: KafkaSettings) -> None:
    """Delete a replay's topics. Raises Invalid("bad-run") for the live ones."""
    if settings.run == LIVE:
        raise Invalid("bad-run", "the live topics are not deleted")
    admin = AIOKafkaAdminClient(**settings.client())
    await admin.start()
    try:
        await admin.delete_topics([settings.named(name) for name in TOPICS])
    finally:
        await admin.close()


def _compare(name: str, partitions: int, expected: int) -> None:
    if partitions != expected:
        detail = f"{name} has {partitions} partitions, this version needs {expected}"
        raise Invalid("partitions-differ", f"{detail}: it keys by partition, so migrate it")


async def _set_limits(admin: AIOKafkaAdminClient, configs: Mapping[str, dict[str, str]]) -> None:
    """`configs`: by topic. What else an operator has set for a topic stays."""
    if not configs:
        return
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in configs]
    changed = []
    for answer in await admin.describe_configs(resources):
        for code, message, _, name, entries in answer.resources:
            if code:
                raise Invalid("topic-refused", f"{name}: {for_code(code).__name__} {message}")
            wanted = configs[name]
            has = {key: value for key, value, _, source, *_ in entries if source == _SET_FOR_TOPIC}
            differing = {
                key: wanted[key] for key in _LIMITS if wanted.get(key, has.get(key)) != has.get(key)
            }
            if differing:
                log.warning("topic %s: %s, before: %s", name, differing, has)
                changed.append(
                    ConfigResource(ConfigResourceType.TOPIC, name, configs=has | differing)
                )
    for answer in await admin.alter_configs(changed) if changed else []:
        for code, message, _, name in answer.resources:
            if code:
                raise Invalid("topic-refused", f"{name}: {for_code(code).__name__} {message}")


async def publish_layouts(
    settings: KafkaSettings,
    layouts: Sequence[LayoutPublished],
    issued_by: str,
    follow_s: float | None = None,
) -> list[LayoutPublished]:
    """Check all, then write each as its camera's next version (one that changes nothing is not
    written again) with the command that makes the tracker adopt it. Returns the layouts in force.
    `follow_s`: wait so long until the tracker has adopted all. Raises Invalid (nothing is written,
    or the tracker refused one) or Retryable."""
    for site_id in {layout.site_id for layout in layouts}:
        faults = lots.check_site([other for other in layouts if other.site_id == site_id])
        if faults:
            raise Invalid("bad-layout", f"{site_id}: {'; '.join(faults)}")
    for layout in layouts:
        lots.checked(layout, new=True)
    held = await layouts_in_force(settings)
    in_force: list[LayoutPublished] = []
    messages: list[Outgoing] = []
    for layout in layouts:
        before = held.get(layout.camera_id)
        after = held[layout.camera_id] = lots.successor(layout, before)
        in_force.append(after)
        if after is not before:
            messages.append(codec.outgoing(after, LAYOUTS, after.camera_id, issued_by))
        # Told again for one already in force, too: its writer may have died between the two.
        command = lots.adoption(after, issued_by)
        messages.append(codec.outgoing(command, SITE_COMMANDS, after.site_id, issued_by))
    if follow_s is None:
        await _send(settings, messages)
        return in_force
    for effect in await send_and_follow(settings, messages, follow_s):
        describe(effect)
    return in_force


async def layouts_in_force(settings: KafkaSettings) -> dict[str, LayoutPublished]:
    """Each camera's highest version in parking.layouts. A tombstone does not count: readers that
    have seen the version before it want a higher one all the same. Raises Retryable."""
    consumer = new_consumer(settings)
    try:
        await consumer.start()
        records = await read_to_end(consumer, await assign_all(consumer, LAYOUTS))
    except KafkaError as error:
        raise Retryable(f"the layouts could not be read: {error!r}") from error
    finally:
        await consumer.stop()
    held: dict[str, LayoutPublished] = {}
    for record in records:
        try:
            layout = codec.decode(record) if record.value else None
        except Invalid:
            continue  # as every reader does
        if isinstance(layout, LayoutPublished):
            before = held.get(layout.camera_id)
            if before is None or before.version < layout.version:
                held[layout.camera_id] = layout
    return held


def checked(values: Mapping[str, Any], cls: type[T]) -> T:
    """The command of these values. Raises Invalid("bad-parameters") with every fault."""
    try:
        return reading.convert(dict(values), cls)
    except Invalid as error:
        raise Invalid("bad-parameters", error.detail, error.faults) from error


async def command_site(
    settings: KafkaSettings, site_id: str, command: Command, issued_by: str
) -> str:
    """Send one command to a site's tracker; returns its id."""
    message, event = _command(site_id, command, issued_by)
    await _send(settings, [message])
    return event.id


async def command_and_follow(
    settings: KafkaSettings, site_id: str, command: Command, issued_by: str, limit_s: float
) -> Effect:
    """Send one command and wait for what it does. Raises Invalid when no layout names the site or
    the slot, Retryable when the tracker does not come to it in time."""
    held = await layouts_in_force(settings)
    lots.require(held.values(), site_id, getattr(command, "slot_id", None))
    message, _ = _command(site_id, command, issued_by)
    (effect,) = await send_and_follow(settings, [message], limit_s)
    return effect


async def change_site(
    settings: KafkaSettings,
    site_id: str,
    decide: Callable[[Layouts], Change],
    issued_by: str,
    limit_s: float | None,
) -> list[Effect]:
    """Remove or rename something of a site, and wait for what the tracker does; `limit_s` None:
    only write. Raises Invalid or Retryable."""
    newest = await layouts_in_force(settings)
    lots.require(newest.values(), site_id)
    site = [one for one in newest.values() if one.site_id == site_id and not one.removed]
    _, empty = _command(site_id, Removed(), issued_by)
    versions = {name: one.version for name, one in newest.items()}
    made = written(decide(site), site, versions, empty)
    messages = [codec.outgoing(one, LAYOUTS, one.camera_id, issued_by) for one in made.layouts]
    messages += [codec.outgoing(one, SITE_COMMANDS, site_id, issued_by) for one in made.commands]
    if limit_s is None:
        await _send(settings, messages)
        return []
    return await send_and_follow(settings, messages, limit_s)


def _command(site_id: str, command: Command, issued_by: str) -> tuple[Outgoing, SiteCommanded]:
    event = SiteCommanded(
        id=uuid.uuid4().hex,
        site_id=site_id,
        time_ms=SystemClock().now_ms(),
        issued_by=issued_by,
        command=command,
    )
    return codec.outgoing(event, SITE_COMMANDS, site_id, issued_by), event


async def _send(settings: KafkaSettings, messages: Sequence[Outgoing]) -> None:
    producer = new_producer(settings)
    await producer.start()
    try:
        await asyncio.wait_for(KafkaProducer(producer).send(messages), timeout=30)
    finally:
        await producer.stop()
