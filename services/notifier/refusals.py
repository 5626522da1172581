"""Why the notifier cannot show something. The API maps each to an HTTP status."""

from typing import Final


class Refusal(Exception):
    """A refusal. `reason` is short and stable, `detail` is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason: Final = reason
        self.detail: Final = detail


class NotFound(Refusal):
    """No such camera, or no picture of it."""


class Busy(Refusal):
    """All places for viewers are taken."""


class Elsewhere(Refusal):
    """Another service refused the request. `status` is the HTTP status to pass on."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.status: Final = status
