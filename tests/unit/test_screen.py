"""One camera with many viewers: the newest picture wins, and a slow viewer delays nobody."""

import asyncio

from parking.runtime.screen import Screen


async def test_a_slow_viewer_gets_the_newest_and_a_quick_one_all():
    screen = Screen()
    quick, slow = screen.pictures(5), screen.pictures(5)
    waiting = asyncio.ensure_future(anext(quick)), asyncio.ensure_future(anext(slow))
    await asyncio.sleep(0)
    screen.show(b"0", 7)
    assert {await one for one in waiting} == {(b"0", 7)}
    for number in range(1, 50):
        screen.show(b"%d" % number, number)
        assert await anext(quick) == (b"%d" % number, number)
    assert await anext(slow) == (b"49", 49)
    await quick.aclose()
    await slow.aclose()
    assert (screen.viewers, screen.is_watched) == (0, False)


async def test_without_pictures_a_viewer_is_informed_and_released_at_the_end():
    screen = Screen()
    shown = screen.pictures(0.01)
    assert await anext(shown) is None
    ending = asyncio.ensure_future(anext(shown, b"ended"))
    await asyncio.sleep(0)
    screen.close()
    assert await ending == b"ended"
    assert screen.viewers == 0


async def test_a_first_viewer_is_noticed_at_once():
    screen = Screen()
    waiting = asyncio.ensure_future(screen.watched_within(3600))
    await asyncio.sleep(0)
    screen.show(b"a picture is no viewer", 1)
    await asyncio.sleep(0)
    assert not waiting.done()
    shown = screen.pictures(3600)
    looking = asyncio.ensure_future(anext(shown))
    await asyncio.wait_for(waiting, 5)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
