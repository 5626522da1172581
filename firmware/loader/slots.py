"""Decide which of two images boots: the confirmed one, or a new one on trial for at most three
boots.

The state is kept by a Journal (journal.py). A trial is counted in flash BEFORE it runs, so an image
that crashes, hangs or resets has used up its boot. Only the first end-to-end ack confirms it.
"""

SLOTS = ("a", "b")
MAX_TRIALS = 3
_NONE = 0xFF


class Slots:
    """`journal` holds 3 bytes: the confirmed slot, the slot on trial, and the boots of the
    trial."""

    def __init__(self, journal):
        self._journal = journal
        data = journal.data if journal.data and len(journal.data) >= 3 else b"\0\xff\0"
        self._confirmed, self._trial, self._boots = data[0], data[1], data[2]

    @property
    def confirmed(self):
        """Return the slot that is known to work."""
        return SLOTS[self._confirmed]

    @property
    def on_trial(self):
        """Return the slot whose image is on trial, or None."""
        return None if self._trial == _NONE else SLOTS[self._trial]

    @property
    def other(self):
        """Return the slot for a new image, which is never the confirmed one."""
        return SLOTS[1 - self._confirmed]

    def begin(self):
        """Return (slot to boot now, whether it is a trial). Call it once per boot, before any code
        of the image runs. A trial that has used up its boots is rolled back here."""
        if self._trial != _NONE and self._boots >= MAX_TRIALS:
            self._save(self._confirmed, _NONE, 0)
        if self._trial == _NONE:
            return self.confirmed, False
        self._save(self._confirmed, self._trial, self._boots + 1)
        return SLOTS[self._trial], True

    def install(self):
        """Put the other slot on trial from the next boot on. It must hold a complete, checked
        image."""
        self._save(self._confirmed, 1 - self._confirmed, 0)

    def cancel(self):
        """End any trial of the other slot, which is about to be written by hand."""
        if self._trial != _NONE:
            self._save(self._confirmed, _NONE, 0)

    def confirm(self):
        """Confirm the running image, because it has reached the end of the pipeline."""
        if self._trial != _NONE:
            self._save(self._trial, _NONE, 0)

    def _save(self, confirmed, trial, boots):
        self._confirmed, self._trial, self._boots = confirmed, trial, boots
        self._journal.put(bytes((confirmed, trial, boots)))
