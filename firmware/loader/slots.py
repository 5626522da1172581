"""Which of the two images boots: the confirmed one, or a new one on trial for at most three boots.

The state is kept by a Journal (journal.py). A
trial is counted in flash BEFORE it runs: an image that crashes, hangs or resets has used its boot.
Only the first end-to-end ack confirms it.
"""

SLOTS = ("a", "b")
MAX_TRIALS = 3
_NONE = 0xFF


class Slots:
    """`journal`: data of 3 bytes (confirmed slot, slot on trial, boots of the trial)."""

    def __init__(self, journal):
        self._journal = journal
        data = journal.data if journal.data and len(journal.data) >= 3 else b"\0\xff\0"
        self._confirmed, self._trial, self._boots = data[0], data[1], data[2]

    @property
    def confirmed(self):
        """The slot that is known to work."""
        return SLOTS[self._confirmed]

    @property
    def on_trial(self):
        """The slot whose image is on trial, or None."""
        return None if self._trial == _NONE else SLOTS[self._trial]

    @property
    def other(self):
        """The slot for a new image: never the confirmed one."""
        return SLOTS[1 - self._confirmed]

    def begin(self):
        """Return (slot to boot now, whether it is a trial). Call once per boot, before any code of
        the image runs. A trial that has used its boots is rolled back here."""
        if self._trial != _NONE and self._boots >= MAX_TRIALS:
            self._save(self._confirmed, _NONE, 0)
        if self._trial == _NONE:
            return self.confirmed, False
        self._save(self._confirmed, self._trial, self._boots + 1)
        return SLOTS[self._trial], True

    def install(self):
        """Put the other slot, which holds a complete, checked image, on trial from the next boot
        on."""
        self._save(self._confirmed, 1 - self._confirmed, 0)

    def cancel(self):
        """End any trial of the other slot, which is about to be written by hand."""
        if self._trial != _NONE:
            self._save(self._confirmed, _NONE, 0)

    def confirm(self):
        """Confirm the running image: it has reached the end of the pipeline."""
        if self._trial != _NONE:
            self._save(self._trial, _NONE, 0)

    def _save(self, confirmed, trial, boots):
        self._confirmed, self._trial, self._boots = confirmed, trial, boots
        self._journal.put(bytes((confirmed, trial, boots)))
