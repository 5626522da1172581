"""What is passed on of a plate under its site's rule, and which rules are refused."""

import json
from typing import Any

import msgspec
import pytest

from parking.access.plates import MadeHash, Plates, SitePlates, Taken, normal, without_plates
from parking.core.errors import Invalid
from parking.runtime.settings import Reader

KEY = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"
OTHER_KEY = KEY[::-1]
PLATE = "B-AB 1234"


def read(**sites: Any) -> tuple[Plates, list[str]]:
    env = Reader({"PLATES": json.dumps(sites)})
    return Plates.read(env), env.problems


def rule(plates: str, key: str = KEY, **more: Any) -> SitePlates:
    made, problems = read(demo={"plates": plates, "key": key, **more})
    assert problems == []
    return made.of("demo")


# ---------------------------------------------------------------- rules
def test_none_lets_nothing_through():
    made, problems = read(demo={"plates": "none"})
    assert problems == []
    assert made.of("demo").take("e", PLATE, "a-device's-hash") == Taken()


def test_hash_knows_the_same_plate_again_and_no_more():
    taken = rule("hash").take("e", PLATE, None)
    assert taken == rule("hash").take("f", "bab1234", None)
    assert (taken.plate_near, taken.sealed) == ([], None)
    assert "1234" not in str(taken)
    assert taken != rule("hash").take("e", "BAB1235", None)
    assert taken.plate_hash != rule("hash", OTHER_KEY).take("e", PLATE, None).plate_hash


@pytest.mark.parametrize("plates", ["hash", "text"])
def test_what_a_device_hashed_is_hashed_again(plates):
    """A device may send a plate instead of a hash, or a hash without salt."""
    taken = rule(plates).take("e", None, "BAB1234")
    assert taken.plate_hash is not None
    assert "BAB1234" not in taken.plate_hash
    assert taken == rule(plates).take("f", "--", "BAB1234"), "nothing was read"
    assert (taken.plate_near, taken.sealed) == ([], None)


def test_a_site_that_is_not_named_takes_what_devices_hashed_and_no_plate():
    made, _ = read(other={"plates": "none"})
    assert made.of("demo").take("e", PLATE, "hash") == Taken("hash")
    assert Plates().of("demo").take("e", PLATE, None) == Taken()


def test_text_can_be_read_back_with_the_sites_key_alone():
    text = rule("text")
    taken = text.take("demo/gate/1", PLATE, None)
    assert taken.sealed is not None
    assert "1234" not in str(taken)
    assert text.reveal("demo/gate/1", taken.sealed) == "BAB1234"
    for other, event_id in ((rule("text", OTHER_KEY), "demo/gate/1"), (text, "demo/gate/2")):
        with pytest.raises(Invalid, match="sealed with a key other"):
            other.reveal(event_id, taken.sealed)
    with pytest.raises(Invalid, match="sealed with a key other"):
        text.reveal("demo/gate/1", "no base64")


def test_taking_twice_gives_the_same_and_each_event_another_seal():
    text = rule("text")
    assert text.take("e", PLATE, None) == text.take("e", PLATE, None)
    assert text.take("e", PLATE, None).sealed != text.take("f", PLATE, None).sealed


@pytest.mark.parametrize(("distance", "hashes"), [(0, 1), (1, 8)])
def test_the_distance_says_how_many_hashes_there_are(distance, hashes):
    assert len(rule("text", distance=distance).take("e", PLATE, None).plate_near) == hashes


@pytest.mark.parametrize(
    ("given", "plate"),
    [
        ("b-ab 1234", "BAB1234"),
        ("\uff22\uff21\uff22\uff11\uff12", "BAB12"),
        ("\u043a\u0440 77", "\u041a\u042077"),
        (" .- ", ""),
        ("A" * 40, "A" * 20),
    ],
)
def test_letters_and_digits_count_as_capitals(given, plate):
    assert normal(given) == plate


# ---------------------------------------------------------------- hashes that devices made
@pytest.mark.parametrize(
    "made",
    [
        "0123456789abcdef",  # 64 bits
        "A" * 128,  # SHA-512
        "rL0Y20zC-Fzt72VPzMSk2A",  # 128 bits as base64, without its end
        "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
    ],
)
def test_a_hash_is_taken(made):
    assert msgspec.convert(made, MadeHash) == made


@pytest.mark.parametrize(
    "made",
    [
        "",
        "BAB1234",
        "B-AB 1234",
        "0123456789abcde",  # fewer than 64 bits
        "ABCDEFGHIJKLMNOPQRST",  # PLATE_CHARS of them
        "0123456789abcdef\n",
        "0123456789abcdef\0",
        "the plate is BAB 1234, seen at the main gate",
        "0" * 129,
    ],
)
def test_no_other_text_is_taken_for_a_hash(made):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(made, MadeHash)


# ---------------------------------------------------------------- what does not start
@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"plates": "text"}, "needs a key"),
        ({"plates": "hash"}, "needs a key"),
        ({"plates": "text", "key": ""}, "not 64 random"),
        ({"plates": "text", "key": "0" * 64}, "not 64 random"),
        ({"plates": "text", "key": "0123456789abcdef" * 4}, "not 64 random"),
        ({"plates": "text", "key": KEY[:32]}, "not 64 random"),
        ({"plates": "text", "key": "secret" * 8}, "not 64 hex"),
        ({"plates": "clear", "key": KEY}, "Invalid enum value"),
        ({"plates": "text", "key": KEY, "distance": 2}, "Invalid enum value"),
        ({"plates": "text", "key": KEY, "salt": "x"}, "unknown field"),
        ({"key": KEY}, "missing required field"),
        ("text", "Expected `object`"),
    ],
)
def test_unsafe_rules_do_not_start_and_tell_no_key(entry, fault):
    _, problems = read(demo=entry)
    assert len(problems) == 1
    assert fault in problems[0]
    assert not any(word in problems[0] for word in (KEY[:32], "secretsecret", "0123456789abcdef"))


def test_two_sites_do_not_share_a_key():
    _, problems = read(a={"plates": "text", "key": KEY}, b={"plates": "hash", "key": KEY.upper()})
    assert len(problems) == 1
    assert "another site has the same key" in problems[0]


@pytest.mark.parametrize("text", ["[]", "{", '{"UPPER": {"plates": "none"}}'])
def test_a_file_of_another_shape_does_not_start(text):
    env = Reader({"PLATES": text})
    Plates.read(env)
    assert len(env.problems) == 1


# ---------------------------------------------------------------- dead letters
@pytest.mark.parametrize(
    ("payload", "kept"),
    [
        (b'{"direction":"in","plate":"BAB1234","plate_hash":"h"}', b'{"direction":"in"}'),
        (b'{"direction":"in","plate":"BAB1234"', b""),
        (b'{"direction":"in","of":{"plate":"BAB1234"}}', b""),
        (b'["plate","BAB1234"]', b""),
        (b'{"Plate":"BAB1234"}', b"{}"),
        (b'{"pl\\u0061te":"BAB1234","gate":"main"}', b'{"gate":"main"}'),
        (b'{"pl\\u0061te":"BAB1234"', b""),
        (b'{"gate":"\\u0061"}', b'{"gate":"a"}'),
        (b'{"direction":"in"', b'{"direction":"in"'),
    ],
)
def test_dead_letters_hold_no_plate(payload, kept):
    assert without_plates(payload) == kept
