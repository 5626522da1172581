"""Operate a running system: create topics, publish layouts, send commands to a site. Used by the
command line (`parking`) and by the embedded stack."""

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from parking.core import lots
from parking.core.changes import Change, Layouts, written
from parking.core.errors import Invalid, Retryable
from parking.core.events import (
    LayoutPublished,
    ParametersSet,
    Recounted,
    Removed,
    SiteCommanded,
    SlotClosed,
    SlotOpened,
    StateCorrected,
)
from parking.core.sitesettings import with_settings_kept
from parking.core.topics import LAYOUTS, LIVE, SITE_COMMANDS, TOPICS
from parking.runtime.kafka import (
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    read_to_end,
)
from parking.runtime.ops import SystemClock
from parking.wire import codec, reading
from parking.wire.ports import Outgoing
from tools.cli.drift import wanted_topics
from tools.cli.effects import Effect, describe, send_and_follow

Command = SlotClosed | SlotOpened | StateCorrected | ParametersSet | Recounted | Removed

T = TypeVar("T")

_ALREADY_EXISTS = 36
_SET_FOR_TOPIC = 1
LIMITS = (
    "max.message.bytes",
    "retention.ms",
    "retention.bytes",
    "segment.bytes",
    "segment.ms",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
)
log = logging.getLogger(__name__)


async def apply_topics(
    settings: KafkaSettings,
    *,
    replication: int = 1,
    smaller: Mapping[str, Mapping[str, str]] | None = None,
) -> list[str]:
    """Create the missing topics of the settings' run and set the size limit, age limit and
    compaction of the existing ones. Returns the names of the new ones. `smaller` holds limits that
    replace the standard ones, keyed by topic. Raises Invalid, before any change, if a topic has a
    different partition count, because changing that is a migration and not an update."""
    wanted = wanted_topics(settings)
    for name, limits in (smaller or {}).items():
        partitions, config = wanted[settings.named(name)]
        wanted[settings.named(name)] = partitions, {**config, **limits}
    admin = AIOKafkaAdminClient(**settings.client())
    await admin.start()
    try:
        there = sorted(wanted.keys() & set(await admin.list_topics()))
        for found in await admin.describe_topics(there) if there else ():
            _compare(found["topic"], len(found["partitions"]), wanted[found["topic"]][0])
        missing = [
            NewTopic(name, partitions, replication, topic_configs=dict(config))
            for name, (partitions, config) in wanted.items()
            if name not in there
        ]
        created = []
        errors = (await admin.create_topics(missing)).topic_errors if missing else []
        for name, code, *message in errors:
            if code == 0:
                created.append(name)
            elif code != _ALREADY_EXISTS:
                raise Invalid("topic-refused", f"{name}: {for_code(code).__name__} {message}")
        await _set_limits(admin, {name: wanted[name][1] for name in wanted.keys() - set(created)})
    finally:
        await admin.close()
    return sorted(created)


async def delete_run(settings: KafkaSettings) -> None:
    """Delete a replay's topics. Raises Invalid("bad-run") if asked to delete the live ones."""
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
        raise Invalid(
            "partitions-differ",
            f"{detail}; its keys are tied to partitions, so this needs a migration",
        )


async def _set_limits(admin: AIOKafkaAdminClient, configs: Mapping[str, Mapping[str, str]]) -> None:
    """Set `configs` (by topic). Other settings that an operator made for a topic are kept."""
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
                key: wanted[key] for key in LIMITS if wanted.get(key, has.get(key)) != has.get(key)
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
    """Check all layouts, then write each as its camera's next version with the command that makes
    the tracker adopt it. An unchanged layout is not written again. Returns the layouts in force.
    `follow_s` is how long to wait for the tracker to adopt them all. Raises Invalid if a layout is
    invalid (nothing is written) or the tracker refused one, and Retryable if Kafka or the tracker
    does not respond."""
    for site_id in {layout.site_id for layout in layouts}:
        faults = lots.check_site([other for other in layouts if other.site_id == site_id])
        if faults:
            raise Invalid("bad-layout", f"{site_id}: {'; '.join(faults)}")
    layouts_now = await layouts_in_force(settings)
    for layout in layouts:
        lots.checked_new(layout, layouts_now.get(layout.camera_id))
    in_force: list[LayoutPublished] = []
    messages: list[Outgoing] = []
    for layout in layouts:
        before = layouts_now.get(layout.camera_id)
        site = [one for one in layouts_now.values() if one.site_id == layout.site_id]
        layout = with_settings_kept(layout, site)
        after = layouts_now[layout.camera_id] = lots.successor(layout, before)
        in_force.append(after)
        if after is not before:
            messages.append(codec.outgoing(after, LAYOUTS, after.camera_id, issued_by))
        # Also sent for a layout already in force: its writer may have crashed between the two
        # records.
        command = lots.adoption(after, issued_by)
        messages.append(codec.outgoing(command, SITE_COMMANDS, after.site_id, issued_by))
    if follow_s is None:
        await _send(settings, messages)
        return in_force
    for effect in await send_and_follow(settings, messages, follow_s):
        describe(effect)
    return in_force


async def layouts_in_force(settings: KafkaSettings) -> dict[str, LayoutPublished]:
    """Return each camera's highest version in parking.layouts. A tombstone does not reset it,
    because readers that saw the version before it still require a higher one. Raises Retryable."""
    consumer = new_consumer(settings)
    try:
        await consumer.start()
        records = await read_to_end(consumer, await assign_all(consumer, LAYOUTS))
    except KafkaError as error:
        raise Retryable(f"the layouts could not be read: {error!r}") from error
    finally:
        await consumer.stop()
    layouts_now: dict[str, LayoutPublished] = {}
    for record in records:
        try:
            layout = codec.decode(record) if record.value else None
        except Invalid:
            continue  # as every reader does
        if isinstance(layout, LayoutPublished):
            before = layouts_now.get(layout.camera_id)
            if before is None or before.version < layout.version:
                layouts_now[layout.camera_id] = layout
    return layouts_now


def checked(values: Mapping[str, Any], cls: type[T]) -> T:
    """Build the command from these values. Raises Invalid("bad-parameters") listing every error."""
    try:
        return reading.convert(dict(values), cls)
    except Invalid as error:
        raise Invalid("bad-parameters", error.detail, error.faults) from error


async def command_site(
    settings: KafkaSettings, site_id: str, command: Command, issued_by: str
) -> str:
    """Send one command to a site's tracker. Returns its id."""
    message, event = _command(site_id, command, issued_by)
    await _send(settings, [message])
    return event.id


async def command_and_follow(
    settings: KafkaSettings, site_id: str, command: Command, issued_by: str, limit_s: float
) -> Effect:
    """Send one command and wait for its effect. Raises Invalid if no layout names the site or the
    slot, and Retryable if the tracker does not reach the command in time."""
    layouts_now = await layouts_in_force(settings)
    lots.require(layouts_now.values(), site_id, getattr(command, "slot_id", None))
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
    """Remove or rename a part of a site and wait for the tracker. If `limit_s` is None, do not
    wait. Raises Invalid or Retryable."""
    newest = await layouts_in_force(settings)
    lots.require(newest.values(), site_id)
    site = [one for one in newest.values() if one.site_id == site_id and not one.removed]
    _, empty = _command(site_id, Removed(), issued_by)
    versions = {name: one.version for name, one in newest.items()}
    change = written(decide(site), site, versions, empty)
    messages = [codec.outgoing(one, LAYOUTS, one.camera_id, issued_by) for one in change.layouts]
    messages += [codec.outgoing(one, SITE_COMMANDS, site_id, issued_by) for one in change.commands]
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
