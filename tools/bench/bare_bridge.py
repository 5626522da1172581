"""A minimal MQTT-to-Kafka bridge: a paho subscriber that feeds an aiokafka producer.

It has no checks, no ids and no ordered acknowledgements. `tools.bench.bridge` compares the real
bridge with it. Usage: `python -m tools.bench.bare_bridge CLIENT_ID TOPIC FILTER`, with the settings
of services.ingest.
"""

import asyncio
import os
import sys
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from parking.runtime.kafka import KafkaSettings, new_producer
from parking.runtime.settings import Reader
from services.ingest.settings import MqttSettings


async def main(client_id: str, topic: str, subscribe_to: str) -> None:
    """Run until it is killed."""
    env = Reader(os.environ)
    kafka, mqtt = KafkaSettings.read(env), MqttSettings.read(env)
    producer = new_producer(kafka)
    await producer.start()
    loop = asyncio.get_running_loop()
    received: asyncio.Queue[paho.MQTTMessage] = asyncio.Queue(maxsize=100_000)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=False)
    client.username_pw_set(mqtt.username, mqtt.password)

    def connected(*_: Any) -> None:
        client.subscribe(subscribe_to, qos=1)

    def took(_client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        loop.call_soon_threadsafe(received.put_nowait, message)

    client.on_connect, client.on_message = connected, took
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect(mqtt.host, mqtt.port)
    client.loop_start()
    while True:
        message = await received.get()
        key = "/".join(message.topic.split("/")[2:4]).encode()
        await producer.send(topic, message.payload, key=key)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
