"""The documents for integrators match the code."""

import json
from pathlib import Path

import pytest
import yaml

from parking.core.events import EVENTS
from parking.core.gatenumbers import ID_MEMORY
from parking.core.topics import (
    ANALYTICS_CHANGELOG,
    ANALYTICS_CLOCK,
    DEAD_LETTERS_MARKS,
    MQTT_ROOT,
    TOPICS,
    TRACKER_BATCHES,
    TRACKER_CHECKPOINTS,
)
from parking.wire.codec import schema_name
from services.ingest.handler import handle_message
from services.ingest.messages import Context, Message

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


def test_every_message_has_a_worked_example_and_those_of_events_are_the_examples_of_schemas():
    messages = DOCUMENT["components"]["messages"]
    assert [name for name, message in messages.items() if not message.get("examples")] == []
    for cls in EVENTS:
        (message,) = [one for one in messages.values() if one["name"] == cls.TYPE]
        for example in message["examples"]:
            file = FOLDER / "examples" / f"{schema_name(cls.TYPE)}--{example['name']}.json"
            content = example.get("headers", {}).get("parking-meta") or example["payload"]
            assert content == json.loads(file.read_text("utf-8")), file.name


@pytest.mark.parametrize(("topic", "of"), [("gate/1/1", "gatePassed"), ("status", "status")])
def test_the_examples_of_devices_are_taken(topic: str, of: str):
    (example,) = DOCUMENT["components"]["messages"][of]["examples"]
    payload = json.dumps(example["payload"]).encode()
    message = Message(f"{MQTT_ROOT}/demo/gate-1/{topic}", payload, 1_795_000_000_000)
    assert handle_message(message, Context()).outcome != "refused"


def test_every_topic_tells_its_partitions():
    for channel in DOCUMENT["channels"].values():
        topic = TOPICS.get(channel["address"])
        if topic is not None:
            assert channel["bindings"]["kafka"]["partitions"] == topic.partitions


def test_the_http_interface_promises_what_is_remembered_of_keys():
    text = (FOLDER / "openapi.json").read_text("utf-8")
    assert f"among the last {ID_MEMORY} keys and commands of its site" in text
