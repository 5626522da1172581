"""Fetch a signed image into the unused slot, check every byte, and put it on trial.

All work is done in steps (4 kB fetched, hashed and written; one file deleted), so that the device's
other loops run in between."""

import asyncio
from hashlib import sha256

from app import http, manifest

_MANIFEST_BYTES = 32_000
_PAUSE_MS = 250


class Updater:
    """`store` has clear(slot), in steps, and open(slot, name), which returns a file to write.
    `slots` is a loader/slots.py, `mine` is (release, board, update_key) and `ssl` is the context
    for https. `alive()` is called while it makes progress. `wanted` is the address of the next
    update."""

    def __init__(self, store, slots, mine, ssl, alive):
        self._store, self._slots, self._mine, self._ssl = store, slots, mine, ssl
        self._alive = alive
        self.wanted = None

    async def run(self, say, installed):
        """Run beside the link, so that gate events are sent and acknowledged meanwhile. `say(text)`
        reports the result. `installed()` is called when a restart is due."""
        while True:
            self._alive()
            base, self.wanted = self.wanted, None
            if base:
                try:
                    say("update to %s: restarting" % await self.install(base))
                    installed()
                except (manifest.Refused, http.Failed, OSError) as error:
                    say("update refused: %s" % error)
            await asyncio.sleep_ms(_PAUSE_MS)

    async def install(self, base):
        """Install the update at this address, which ends in a slash. The next boot tries it.
        Returns its version. Raises manifest.Refused or http.Failed; the running image is then
        untouched."""
        if self._slots.on_trial is not None:
            raise manifest.Refused("the running image is still on trial")
        raw = bytearray()

        def keep(piece):
            if len(raw) + len(piece) > _MANIFEST_BYTES:
                raise manifest.Refused("the manifest is too large")
            raw.extend(piece)

        await self._get(base + "manifest.json", keep)
        release, board, key = self._mine
        body = manifest.check(bytes(raw), key, release, board)
        slot = self._slots.other
        for _ in self._store.clear(slot):
            await asyncio.sleep_ms(0)
        for name, size, digest in body["files"]:
            await self._fetch(base, slot, name, size, digest)
        self._slots.install()
        return body["version"]

    async def _fetch(self, base, slot, name, size, digest):
        running, seen = sha256(), [0]
        with self._store.open(slot, name) as file:

            def keep(piece):
                seen[0] += len(piece)
                if seen[0] > size:
                    raise manifest.Refused(name + " is longer than signed")
                running.update(piece)
                file.write(piece)

            await self._get(base + name, keep)
        if seen[0] != size or running.digest().hex() != digest:
            raise manifest.Refused(name + " is not what was signed")

    async def _get(self, url, sink):
        self._alive()
        status = await http.request(url, self._ssl, [], None, sink)
        if status != 200:
            raise http.Failed("%d for %s" % (status, url[-60:]))
