"""services.tracker without its fence, because each process has transactional ids of its own."""

import os

from aiokafka import AIOKafkaProducer

from parking.runtime.kafka import KafkaSettings
from parking.runtime.kafkalog import new_transactions
from parking.runtime.ops import main
from services.tracker import adapters
from services.tracker.__main__ import build


def _of_this_process(kafka: KafkaSettings, name: str, max_bytes: int) -> AIOKafkaProducer:
    return new_transactions(kafka, f"{name}-{os.getpid()}", max_bytes)


if __name__ == "__main__":
    vars(adapters)["new_transactions"] = _of_this_process
    main("tracker", build)
