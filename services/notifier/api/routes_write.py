"""The routes that change something (access.py says who may). Each writes events to Kafka (acks=all)
and answers once they are durable. Their effects appear on the event stream."""

import asyncio
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from parking.access.plates import Plates
from parking.core import lots
from parking.core.errors import Retryable
from parking.core.events import LayoutPublished, Recounted, SlotClosed, SlotOpened, StateCorrected
from parking.core.topics import GATE_EVENTS, LAYOUTS, PLATES, SITE_COMMANDS
from parking.runtime.faults import fault, holding
from parking.vision.reference import decoded, make_reference
from parking.wire import codec
from parking.wire.ports import Clock, Outgoing, Producer
from services.notifier.api import commands
from services.notifier.api.auth import require_body_site, sender
from services.notifier.api.bodies import LAYOUT_EXAMPLE, Correction, Count, Passage, Reason
from services.notifier.api.idempotency import IdempotencyKey, UsedKeys
from services.notifier.api.preconditions import (
    IfMatch,
    expected_version,
    require_site,
    require_version,
)
from services.notifier.api.web import (
    LAYOUT_MAX_BYTES,
    WRITE_ERRORS,
    ApiError,
    errors,
    json_response,
    read_json,
    returns,
    takes,
)
from services.notifier.feed import Feed
from services.notifier.pictures import Pictures
from services.notifier.readiness import ready_state
from services.notifier.views import Accepted, LayoutAccepted

SEND_LIMIT_S: Final = 10.0
READ_BACK_LIMIT_S: Final = 10.0
LAYOUT_TRIES: Final = 3
Reference = Annotated[
    Literal["last"] | None,
    Query(description="last: the camera's last picture, if healthy, becomes the reference"),
]
_PASSAGE: Final = {"site_id": "demo", "gate_id": "main"}


@dataclass(frozen=True, slots=True)
class Writer:
    """What the writing routes need."""

    feed: Feed
    producer: Producer
    clock: Clock
    layout_lock: asyncio.Lock
    pictures: Pictures
    plates: Plates
    used: UsedKeys = field(default_factory=UsedKeys)

    async def send(self, *messages: Outgoing) -> None:
        """Write the messages. Raises Retryable if Kafka did not accept them in time."""
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                holding(map(codec.event_id, messages))
                fault("notifier.before-kafka")
                await self.producer.send(messages)
                fault("notifier.after-kafka")
        except TimeoutError as error:
            detail = "Kafka did not answer in time; the write may still succeed: try again "
            raise Retryable(detail + "with the same Idempotency-Key") from error

    async def command(
        self, request: Request, command: commands.SlotCommand, idempotency_key: str | None
    ) -> Response:
        """Send a command to the slot in the path."""
        site_id, slot_id = request.path_params["site"], command.slot_id
        who = sender(request).name
        known = {slot.slot_id for slot in ready_state(self.feed).slot_views(site_id)}
        if slot_id not in known:
            raise ApiError(404, "no-slot", f"site {site_id!r} has no slot {slot_id!r}")
        return await self._command(site_id, command, idempotency_key, who)

    async def recount(
        self, request: Request, number_in: int, idempotency_key: str | None
    ) -> Response:
        """Send the number of vehicles inside, as a command to the site in the path."""
        site_id = request.path_params["site"]
        who = sender(request).name
        require_site(self.feed, site_id)
        return await self._command(site_id, Recounted(number_in=number_in), idempotency_key, who)

    async def _command(
        self, site_id: str, command: commands.Command, idempotency_key: str | None, who: str
    ) -> Response:
        now_ms = self.clock.now_ms()
        event = commands.site_command(site_id, command, idempotency_key, who, now_ms)
        self.used.claim(event.id, type(command).__name__, command)
        await self.send(codec.outgoing(event, SITE_COMMANDS, site_id, commands.SOURCE))
        return json_response(Accepted(id=event.id), 202)

    async def publish(
        self, camera_id: str, body: dict[str, Any], who: str, expected: int | None = None
    ) -> LayoutPublished:
        """Write the layout as the next version, then the command that makes the tracker adopt it.
        Raises ApiError 412 unless the version in force is `expected`, if that is given. If two
        instances choose the same version, the second one sees that in the log and takes the next
        one. A layout that a later version has already replaced is not written again."""
        for _ in range(LAYOUT_TRIES):
            present, now_ms = commands.before(self.feed.state, camera_id), self.clock.now_ms()
            layout, faults = await asyncio.to_thread(
                commands.layout, present, camera_id, body, now_ms
            )
            if faults:
                raise ApiError(422, "bad-layout", "; ".join(faults), faults=faults)
            if layout is not present.in_force:
                require_version(self.feed.state, camera_id, expected)
                await self.send(codec.outgoing(layout, LAYOUTS, camera_id, commands.SOURCE))
                await self.read_back(layout)
                fault("notifier.after-layout")
            if self.feed.state.was_in_force(layout):
                command, site_id = lots.adoption(layout, who), layout.site_id
                await self.send(codec.outgoing(command, SITE_COMMANDS, site_id, commands.SOURCE))
                return layout
        raise ApiError(
            409, "layout-race", "other layouts of this camera are being published right now"
        )

    async def last_picture(self, camera_id: str) -> str:
        """Return the camera's last picture as a layout's reference, in base64. Raises ApiError 404
        if none is stored, and Invalid if it is not healthy."""
        picture = await self.pictures.latest(camera_id)
        reference = await asyncio.to_thread(lambda: make_reference(decoded(picture.jpeg)))
        return b64encode(reference).decode()

    async def in_force(self, layout: LayoutPublished) -> None:
        """Wait until a written layout is the camera's layout. Raises ApiError 409 if another layout
        with the same version came first."""
        await self.read_back(layout)
        if not self.feed.state.was_in_force(layout):
            raise ApiError(
                409, "layout-race", "others are publishing layouts of this camera right now"
            )

    async def read_back(self, layout: LayoutPublished) -> None:
        """Wait until this instance has read a layout of that version."""
        try:
            async with asyncio.timeout(READ_BACK_LIMIT_S):
                await self.feed.until(lambda: self._version(layout) >= layout.version)
        except TimeoutError as error:
            raise Retryable("the layout was written but could not be read back yet") from error

    def _version(self, layout: LayoutPublished) -> int:
        return self.feed.state.layout_version(layout.camera_id)


def write_routes(writer: Writer) -> APIRouter:
    """Return the routes that write."""
    router = APIRouter()

    @router.post(
        "/api/sessions/entry",
        status_code=202,
        tags=["sessions"],
        summary="Report that a vehicle entered",
        responses=returns(Accepted, "The event is durable", 202) | WRITE_ERRORS,
        openapi_extra=takes(Passage, _PASSAGE),
    )
    async def entry(request: Request, idempotency_key: IdempotencyKey = None) -> Response:
        return await _passage(writer, request, "entry", idempotency_key)

    @router.post(
        "/api/sessions/exit",
        status_code=202,
        tags=["sessions"],
        summary="Report that a vehicle left",
        responses=returns(Accepted, "The event is durable", 202) | WRITE_ERRORS,
        openapi_extra=takes(Passage, _PASSAGE),
    )
    async def exit_(request: Request, idempotency_key: IdempotencyKey = None) -> Response:
        return await _passage(writer, request, "exit", idempotency_key)

    @router.post(
        "/api/sites/{site}/recount",
        status_code=202,
        tags=["sessions"],
        summary="Set the number of vehicles inside",
        description="To match this number, the oldest sessions are given up or new ones opened.",
        responses=returns(Accepted, "The event is durable", 202) | WRITE_ERRORS,
        openapi_extra=takes(Count, {"number_in": 42}),
    )
    async def recount(
        request: Request, site: str, idempotency_key: IdempotencyKey = None
    ) -> Response:
        body = await read_json(request, Count)
        return await writer.recount(request, body.number_in, idempotency_key)

    _slot_routes(router, writer)

    @router.put(
        "/api/cameras/{site}/{device}/layout",
        tags=["cameras"],
        summary="Publish a camera's layout as its next version",
        responses=returns(LayoutAccepted, "The layout is durable, and the tracker adopts it next")
        | WRITE_ERRORS
        | errors(412),
        openapi_extra=takes("LayoutBody", LAYOUT_EXAMPLE),
    )
    async def put_layout(
        request: Request,
        site: str,
        device: str,
        reference: Reference = None,
        if_match: IfMatch = None,
    ) -> Response:
        who = sender(request).name
        expected = expected_version(if_match)
        body: dict[str, Any] = await read_json(request, dict[str, Any], LAYOUT_MAX_BYTES)
        ready_state(writer.feed)
        if reference is not None:
            body["reference"] = await writer.last_picture(f"{site}/{device}")
        async with writer.layout_lock:
            layout = await writer.publish(f"{site}/{device}", body, who, expected)
        return json_response(LayoutAccepted(id=layout.id, version=layout.version))

    return router


def _slot_routes(router: APIRouter, writer: Writer) -> None:
    accepted = returns(Accepted, "The event is durable", 202) | WRITE_ERRORS
    path = "/api/sites/{site}/slots/{slot}"

    @router.post(
        path + "/close",
        status_code=202,
        tags=["slots"],
        summary="Take a slot out of service",
        responses=accepted,
        openapi_extra=takes(Reason, {"reason": "resurfacing"}),
    )
    async def close(
        request: Request, site: str, slot: str, idempotency_key: IdempotencyKey = None
    ) -> Response:
        body = await read_json(request, Reason)
        command = SlotClosed(slot_id=slot, reason=body.reason)
        return await writer.command(request, command, idempotency_key)

    @router.post(
        path + "/open",
        status_code=202,
        tags=["slots"],
        summary="Put a slot back into service",
        responses=accepted,
        openapi_extra={"security": [{"key": []}]},
    )
    async def open_(
        request: Request, site: str, slot: str, idempotency_key: IdempotencyKey = None
    ) -> Response:
        return await writer.command(request, SlotOpened(slot_id=slot), idempotency_key)

    @router.post(
        path + "/correct",
        status_code=202,
        tags=["slots"],
        summary="Correct a slot's state",
        responses=accepted,
        openapi_extra=takes(Correction, {"state": "free", "reason": "seen on site"}),
    )
    async def correct(
        request: Request, site: str, slot: str, idempotency_key: IdempotencyKey = None
    ) -> Response:
        body = await read_json(request, Correction)
        command = StateCorrected(slot_id=slot, state=body.state, reason=body.reason)
        return await writer.command(request, command, idempotency_key)


async def _passage(
    writer: Writer, request: Request, direction: str, idempotency_key: str | None
) -> Response:
    passage = await read_json(request, Passage)
    require_body_site(request, passage.site_id)
    ready_state(writer.feed)
    site_id, now_ms = passage.site_id, writer.clock.now_ms()
    if site_id not in writer.feed.state.site_ids():
        detail = f"there is no site {site_id!r}: publish a camera's layout first"
        raise ApiError(404, "no-site", detail)
    rule = writer.plates.of(site_id)
    event, sealed = commands.gate_event(passage, direction, idempotency_key, now_ms, rule)
    writer.used.claim(event.id, direction, passage)
    records = [(event, GATE_EVENTS), *([(sealed, PLATES)] if sealed else [])]
    await writer.send(*(codec.outgoing(e, topic, site_id, commands.SOURCE) for e, topic in records))
    return json_response(Accepted(id=event.id), 202)
