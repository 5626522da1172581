"""Answers wait for the complete state, because a 404 before that would be a guess."""

from parking.core.errors import Retryable
from services.notifier.feed import Feed
from services.notifier.state import NOT_READ_YET, LiveState


def ready_state(feed: Feed) -> LiveState:
    """Return the state of all sites. Raises Retryable until everything from before the start was
    read."""
    if not feed.ready:
        raise Retryable(NOT_READ_YET)
    return feed.state
