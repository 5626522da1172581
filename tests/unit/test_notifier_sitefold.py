"""Views are derived once per change. They are kept while nothing changes, and never for too
long."""

import random
from collections.abc import Callable

from msgspec.structs import replace

from services.notifier.state import LiveState
from services.notifier.views import Counts
from tests.support.notifying import changed, layout, session, state, status

SITES = ("demo", "other", "third")
SLOTS = ("A1", "A2", "B1")


def anew(live: LiveState, sizes: dict[str, tuple[int, int]]) -> LiveState:
    """Return the same state, from which no view has been derived yet."""
    fresh = LiveState()
    for held in live.layouts.values():
        fresh.layout(held)
    for camera_status in live.statuses.values():
        fresh.camera_status(camera_status)
    for slot in live.slots.values():
        fresh.slot_state(slot)
    for stay in live.open_sessions.values():
        fresh.session(stay)
    for camera_id, size_wh in sizes.items():
        fresh.picture_size(camera_id, size_wh)
    return fresh


def one_change(live: LiveState, rng: random.Random, n: int, sizes: dict[str, tuple[int, int]]):
    """Change something that is shown of one site."""
    site, slot, camera = rng.choice(SITES), rng.choice(SLOTS), rng.choice(("north", "south"))
    camera_id = f"{site}/{camera}"
    drawn = tuple(rng.sample(SLOTS, rng.randint(1, 3)))
    camera_status = replace(
        status(site, n),
        camera_id=camera_id,
        layout_version=rng.choice((1, n)),
        last_frame_at_ms=n,
        status=rng.choice(("online", "offline")),
    )

    def size() -> None:
        sizes[camera_id] = (n, 480)
        live.picture_size(camera_id, sizes[camera_id])

    changes: list[Callable[[], object]] = [
        lambda: live.slot_state(state(site, n, rng.choice(("free", "closed")), slot=slot)),
        lambda: live.slot_change(changed(site, n, slot=slot)),
        lambda: live.camera_status(camera_status),
        lambda: live.layout(replace(layout(site, n, drawn), camera_id=camera_id, id=f"{n}")),
        lambda: live.session(session(site, rng.randint(1, 4), "opened")),
        lambda: live.session(session(site, rng.randint(1, 4), "closed")),
        lambda: live.forget("layouts", camera_id),
        lambda: live.forget("statuses", camera_id),
        lambda: live.forget("slots", f"{site}/{slot}"),
        size,
    ]
    rng.choice(changes)()


def test_cached_views_equal_newly_derived_ones():
    for seed in range(30):
        rng = random.Random(seed)  # noqa: S311 -- an order, not a secret
        live, sizes = LiveState(), dict[str, tuple[int, int]]()
        for n in range(1, 60):
            one_change(live, rng, n, sizes)
            fresh = anew(live, sizes)
            assert live.site_ids() == fresh.site_ids()
            for site in rng.sample(SITES, 2):  # the third is asked for after several changes
                assert live.summary(site) == fresh.summary(site)
                assert live.site_view(site) == fresh.site_view(site)
                assert live.camera_views(site) == fresh.camera_views(site)
                view = live.site_view(site)
                if view is not None:
                    states = [slot.state for slot in view.slots]
                    assert view.counts == Counts(
                        free=states.count("free"),
                        occupied=states.count("occupied"),
                        unknown=states.count("unknown"),
                        closed=states.count("closed"),
                        total=len(states),
                    )


def test_a_view_is_derived_once_and_another_sites_change_keeps_it():
    live = LiveState()
    live.layout(layout("demo"))
    live.camera_status(status("demo"))
    first, summary = live.site_view("demo"), live.summary("demo")
    live.slot_state(state("other", 1))
    live.session(session("other", 1, "opened"))
    assert live.site_view("demo") is first
    assert live.summary("demo") is summary
    live.slot_state(state("demo", 1))
    assert live.site_view("demo") is not first


def test_a_camera_that_tells_its_age_makes_nothing_be_counted_again():
    live = LiveState()
    live.layout(layout("demo"))
    live.camera_status(status("demo"))
    before = live.summary("demo")
    live.camera_status(replace(status("demo", 2), last_frame_at_ms=5))
    after = live.summary("demo")
    assert before is not None
    assert after is not None
    assert after.cameras[0].last_frame_at_ms == 5
    assert after.zones is before.zones
    assert after.cameras[0].slots is before.cameras[0].slots
