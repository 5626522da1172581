"""Ask an ONVIF camera for its streams, and poll one of them.

Every request, also to addresses that the camera returned, goes through GuardedHttp. The login is
sent only as digests (WS-Security and, if the camera asks, HTTP), timed by the camera's own clock.
"""

import asyncio
import os
import time
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import aiohttp

from parking.core.errors import Invalid
from services.ingest.pull import media, soap
from services.ingest.pull.camerafile import Camera, Credential
from services.ingest.pull.faults import CameraFault, fault_of, status_fault
from services.ingest.pull.guardedhttp import GuardedHttp, read_body
from services.ingest.pull.media import Profile, Service
from services.ingest.pull.networks import Networks
from services.ingest.pull.puller import Source, Want
from services.ingest.pull.soap import Call, Element, Signature, SoapFault

_MAX_BYTES: Final = 500_000
_NONCE_BYTES: Final = 16
_ALL_S: Final = 60.0


class OnvifDevice:
    """A camera's ONVIF services. `url` is the address of its device service."""

    def __init__(
        self,
        url: str,
        networks: Networks,
        limit_s: float,
        login: Credential | None = None,
        tls_sha256: str | None = None,
    ) -> None:
        self._url = url
        self._login = login
        self._limit_s = limit_s
        self._http = GuardedHttp(networks, limit_s, login, tls_sha256)
        self._skew_s = 0.0
        self._date = ""

    async def profiles(self) -> list[Profile]:
        """Return the camera's profiles with their addresses. Raises CameraFault."""
        try:
            async with asyncio.timeout(_ALL_S):
                return await self._profiles()
        except Invalid as error:
            raise CameraFault(error.reason, error.detail) from None
        except SoapFault as fault:
            raise self._refused(fault) from None
        except (OSError, aiohttp.ClientError, ValueError, zlib.error) as error:
            raise fault_of(error) from None  # its text may contain the address, and so a login

    async def _profiles(self) -> list[Profile]:
        await self._read_clock()
        fault: SoapFault | None = None
        for service in await self._services():
            try:
                found = media.profiles_in(await self._call(service.url, service.profiles()))
            except SoapFault as error:
                if error.denied:
                    raise
                fault = fault or error  # version 2 does not work, so use version 1
                continue
            if found:
                return [await self._addressed(service, profile) for profile in found]
        if fault:
            raise fault
        raise CameraFault("no-video", "the camera has no video profile")

    async def _read_clock(self) -> None:
        """Read the clock without a login, as ONVIF requires. Some cameras refuse that, but send the
        date."""
        self._skew_s, self._date = 0.0, ""
        try:
            clock = await self._call(self._url, media.CLOCK, signed=False)
            self._skew_s = media.clock_skew_s(clock, time.time())
        except (SoapFault, CameraFault, Invalid):
            self._skew_s = media.date_skew_s(self._date, time.time())

    async def _services(self) -> list[Service]:
        for call in (media.SERVICES, media.CAPABILITIES):
            try:
                found = media.media_services(await self._call(self._url, call), self._url)
            except SoapFault as fault:
                if fault.denied or call is media.CAPABILITIES:
                    raise
                continue  # older cameras do not support GetServices
            if found:
                return found
        raise CameraFault("no-video", "the camera has no media service")

    async def _addressed(self, service: Service, profile: Profile) -> Profile:
        stream = await self._uri(service, service.stream(profile.token))
        snapshot = await self._uri(service, service.snapshot(profile.token))
        return media.with_addresses(profile, stream, snapshot, self._url, self._login)

    async def _uri(self, service: Service, call: Call) -> str:
        """Return an address, or "" where the camera has none; many have no snapshots."""
        try:
            return media.uri_in(await self._call(service.url, call))
        except SoapFault as fault:
            if fault.denied:
                raise
            return ""

    async def _call(self, url: str, call: Call, *, signed: bool = True) -> Element:
        signature = None
        if signed and self._login:
            now_s = time.time() + self._skew_s
            signature = Signature(self._login, now_s, os.urandom(_NONCE_BYTES))
        headers = {"Content-Type": call.content_type}
        body = soap.request(call, signature)
        async with (
            self._http.answer(url, body, headers) as response,
            asyncio.timeout(self._limit_s),
        ):
            self._date = response.headers.get("Date", "")
            data = await read_body(response, _MAX_BYTES)
        try:
            return soap.answer(data)
        except Invalid:
            if response.status != 200:
                has_login = self._login is not None
                raise status_fault("HTTP", response.status, has_login=has_login) from None
            kind = soap.shown(response.content_type)
            words = f"it answers {kind!r}: is this the address of its ONVIF service?"
            raise Invalid("not-onvif", words) from None

    def _refused(self, fault: SoapFault) -> CameraFault:
        if fault.denied and self._login:
            return CameraFault("wrong-password", "the camera refuses the login (ONVIF)")
        if fault.denied:
            return CameraFault("password-needed", "the camera requires a login (ONVIF)")
        return CameraFault("onvif-fault", f"the camera answers: {fault}")


class OnvifCamera:
    """A camera that is asked for its address once, and again after each fault, because the address
    may have changed. `device` gives access to its services; `source_of` polls the camera at the
    address."""

    def __init__(
        self, camera: Camera, device: OnvifDevice, source_of: Callable[[Camera], Source]
    ) -> None:
        self._camera = camera
        self._device = device
        self._source_of = source_of
        self._source: Source | None = None

    async def pictures(self, want: Callable[[], Want]) -> AsyncGenerator[bytes, None]:
        """See puller.Source."""
        if self._source is None:
            self._source = self._source_of(await self._located())
        try:
            async with aclosing(self._source.pictures(want)) as given:
                async for jpeg in given:
                    yield jpeg
        except CameraFault:
            self._source = None
            raise

    async def _located(self) -> Camera:
        camera = self._camera
        profiles = await self._device.profiles()
        chosen = media.choose(profiles, camera.profile, camera.kind)
        if chosen is None:
            names = ", ".join(one.name or one.token for one in profiles)
            wanted = f" {camera.profile!r}" if camera.profile else ""
            words = f"no profile{wanted} with an address for kind {camera.kind}; it has {names}"
            raise CameraFault("no-profile", words[:300])
        return replace(camera, url=media.address_for(chosen, camera.kind))
