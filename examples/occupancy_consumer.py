"""Print how full each zone was, minute by minute, as JSON lines.

KAFKA_BOOTSTRAP=127.0.0.1:9092 python examples/occupancy_consumer.py | jq
"""

import asyncio
import os
import sys

from aiokafka import AIOKafkaConsumer


async def main() -> None:
    """Run until Ctrl-C. Kafka stores the group's offset, so the next start continues where this one
    stopped."""
    consumer = AIOKafkaConsumer(
        *(sys.argv[1:] or ["parking.occupancy"]),
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP"],
        group_id="example-occupancy",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",  # skip records of aborted transactions
    )
    async with consumer:
        async for record in consumer:
            # To store events: upsert by "id" unless the stored "version" is higher, then commit.
            print(record.value.decode(), flush=True)
            await consumer.commit()


if __name__ == "__main__":
    asyncio.run(main())
