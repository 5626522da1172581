"""Each plate's passages as an immutable value that behaves like a dictionary."""

from hypothesis import given
from hypothesis import strategies as st

from parking.core.passages import CHANGED_LIMIT, Passage, PlatePassages
from parking.core.site import Gates, Site
from parking.wire import sitejson


def of(number: int) -> list[Passage]:
    return [Passage(time_ms=number, id=str(number), gate_id="g", direction="entry")]


edits = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=60)


@given(edits, st.integers(0, 6))
def test_it_is_a_dictionary_in_which_what_changes_goes_to_the_end(changes, limit):
    value, plain = PlatePassages({"a": of(0), "b": of(1)}), {"a": of(0), "b": of(1)}
    for number, (plate, is_set) in enumerate(changes):
        before, items = value, list(value.items())
        draft = value.draft()
        plain.pop(plate, None)
        draft.pop(plate, None)
        if is_set:
            plain[plate] = draft[plate] = of(number)
        value = draft.finish(limit)
        assert list(before.items()) == items
        assert list(value.items()) == list(plain.items())
        assert (len(value), value.get(plate)) == (len(plain), plain.get(plate))


def test_a_plate_that_is_set_again_goes_to_the_end_in_either_layer():
    for layers in (1, 2):
        value = PlatePassages({"a": of(0), "b": of(1)})
        if layers == 2:
            value = changed(changed(PlatePassages(), "a", of(0)), "b", of(1))
        assert list(changed(value, "a", of(2))) == ["b", "a"]


def test_equal_is_what_holds_the_same_whatever_its_layers():
    whole = PlatePassages({"a": of(0), "b": of(2)})
    layered = changed(PlatePassages({"b": of(1), "a": of(0)}), "b", of(2))
    assert whole == layered
    assert whole != changed(layered, "b", of(3))
    assert whole != changed(layered, "c", of(3))


def test_a_checkpoint_holds_them_as_it_always_did():
    site = Site(site_id="lot", gates=Gates(plates=changed(PlatePassages(), "a", of(7))))
    text = sitejson.to_json(site)
    assert text == b'{"site_id":"lot","gates":{"plates":{"a":[[7,"7","g","entry",null,[]]]}}}'
    assert sitejson.from_json(text, Site) == site


def test_a_change_copies_few_plates_and_not_all_that_are_known():
    value = PlatePassages({str(number): of(number) for number in range(1_000)})
    base = value.draft().base
    for number in range(CHANGED_LIMIT):
        value = changed(value, f"new-{number}", of(number))
    assert value.draft().base is base  # shared, not copied
    assert changed(value, "one more", of(0)).draft().base is not base


def changed(value: PlatePassages, plate: str, passages: list[Passage]) -> PlatePassages:
    draft = value.draft()
    draft[plate] = passages
    return draft.finish()
