"""Images on trial and new configurations must be confirmed by an end-to-end ack.

An image that gets no ack in time is rolled back (loader/slots.py). A configuration that never got
one may contain a typo, and fixing it must not need a cable. So after three boots, or once a boot
has found no broker for the length of a trial, the portal opens for a while. Then the device tries
the network again. A configuration that once got its ack is trusted for good, so nobody can open the
portal of a working device by shutting off its network.
"""

BOOTS = 3
PORTAL_S = 300
_PROVED = -1


class Proof:
    """`path` is a small file with the second at which the configuration was provisioned and the
    number of boots without an ack. `slots` is a loader/slots.py."""

    def __init__(self, path, config, slots):
        self._path, self._slots = path, slots
        self._mark, self._trial_ms = config["provisioned_at_s"], config["trial_s"] * 1000
        self._on_trial = slots.on_trial is not None  # this image, not a later one
        self._boots = self._heard_ms = 0
        try:
            with open(path) as file:
                mark, boots = [int(word) for word in file.read().split()]
            if mark == self._mark:
                self._boots = boots
        except (OSError, ValueError):
            pass  # missing or torn: an ack is needed again

    def begin(self):
        """Count this boot and return whether to open the portal instead. The next boot tries the
        network again. While a new image is on trial, the image is suspected first, and it has its
        own rollback."""
        if self._on_trial or self._boots == _PROVED:
            return False
        due = self._boots >= BOOTS
        self._keep(0 if due else self._boots + 1)
        return due

    def acked(self):
        """Handle an end-to-end ack. Returns True if it confirmed a new image."""
        if self._boots != _PROVED:
            self._keep(_PROVED)
        confirmed, self._on_trial = self._on_trial, False
        if confirmed:
            self._slots.confirm()
        return confirmed

    def overdue(self, up_ms, connected):
        """Return the reason to restart now, or None. `connected` means logged in to the broker, so
        the configuration is not the cause."""
        if self._on_trial:
            late = up_ms > self._trial_ms
            return (
                "no end-to-end ack: restarting, which uses up a trial boot of this image"
                if late
                else None
            )
        if connected:
            self._heard_ms = up_ms
        if self._boots == _PROVED or up_ms - self._heard_ms <= self._trial_ms:
            return None
        self._keep(BOOTS)
        return "no end-to-end ack so far, and no broker: opening the portal for a while"

    def _keep(self, boots):
        self._boots = boots
        try:
            with open(self._path, "w") as file:
                file.write("%d %d" % (self._mark, boots))
        except OSError:
            pass  # no room: without the count the portal stays closed, but everything else works
