"""Places for connections: the limits are exact, and no client can lock out all others."""

from contextlib import ExitStack

import pytest

from parking.runtime.places import ALL, SHARE, Places, Taken, Visitor


def entered(places: Places, *visitors: Visitor) -> tuple[ExitStack, list[str]]:
    """Return who got in, and why the others did not."""
    inside = ExitStack()
    refused: list[str] = []
    for visitor in visitors:
        try:
            inside.enter_context(places.enter(visitor))
        except Taken as error:
            refused.append(error.reason)
    return inside, refused


def test_no_more_than_all_places_and_each_is_given_back():
    places = Places(total=3, each=3)
    inside, refused = entered(places, *(Visitor(f"10.0.0.{n}") for n in range(5)))
    assert (places.taken, refused) == (3, [ALL, ALL])
    inside.close()
    assert places.taken == 0
    with places.enter(Visitor("10.0.0.9")):
        assert places.taken == 1


def test_one_address_has_a_share():
    places = Places(total=10, each=2)
    inside, refused = entered(places, *[Visitor("10.0.0.1")] * 4, Visitor("10.0.0.2"))
    assert (places.taken, refused) == (3, [SHARE, SHARE])
    inside.close()


def test_a_key_has_a_share_of_its_own_wherever_it_comes_from():
    places = Places(total=10, each=2)
    guests = [Visitor(f"10.0.0.{n}", "console") for n in range(3)]
    inside, refused = entered(places, *[Visitor("10.0.0.1")] * 2, *guests)
    assert (places.taken, refused) == (4, [SHARE])
    inside.close()


@pytest.mark.parametrize(("kept", "reasons"), [(2, [ALL, ALL]), (0, [ALL])])
def test_places_are_kept_for_keys(kept: int, reasons: list[str]):
    places = Places(total=4, each=9, kept=kept)
    crowd = [Visitor(f"10.0.0.{n}") for n in range(4)]
    inside, refused = entered(places, *crowd, Visitor("10.0.0.9", "console"))
    assert refused == reasons
    inside.close()


def test_a_place_is_given_back_after_an_error():
    places = Places(total=1, each=1)
    with pytest.raises(RuntimeError), places.enter(Visitor("10.0.0.1")):
        raise RuntimeError
    assert places.taken == 0
