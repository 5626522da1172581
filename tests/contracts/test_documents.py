"""The documents that integrators read say what the code does."""

from pathlib import Path

import yaml

from parking.codec import schema_name
from parking.events import EVENTS
from parking.gatenumbers import ID_MEMORY
from parking.topics import (
    ANALYTICS_CHANGELOG,
    ANALYTICS_CLOCK,
    DEAD_LETTERS_MARKS,
    MQTT_ROOT,
    TOPICS,
    TRACKER_BATCHES,
    TRACKER_CHECKPOINTS,
)

OF_ONE_SERVICE = {
    *(TRACKER_BATCHES, TRACKER_CHECKPOINTS, DEAD_LETTERS_MARKS),
    *(ANALYTICS_CHANGELOG, ANALYTICS_CLOCK),
}
FOLDER = Path(__file__).parents[2] / "schemas"
DOCUMENT = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text("utf-8"))


def test_every_topic_is_a_channel_and_no_other():
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    kafka = {address for address in addresses if not address.startswith(MQTT_ROOT)}
    assert kafka == TOPICS.keys() - OF_ONE_SERVICE


def test_every_event_is_a_message_with_its_schema():
    names = {message["name"] for message in DOCUMENT["components"]["messages"].values()}
    text = (FOLDER / "asyncapi.yaml").read_text("utf-8")
    for cls in EVENTS:
        assert cls.TYPE in names
        assert f"./{schema_name(cls.TYPE)}.json" in text


def test_every_channel_has_an_operation():
    used = {o["channel"]["$ref"].rsplit("/", 1)[1] for o in DOCUMENT["operations"].values()}
    assert used == DOCUMENT["channels"].keys()


def test_the_http_interface_promises_what_is_remembered_of_keys():
    text = (FOLDER / "openapi.json").read_text("utf-8")
    assert f"among the last {ID_MEMORY} keys and commands of its site" in text
