"""Records written in a Kafka transaction, committed or not."""

import asyncio
import uuid
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from parking.runtime.kafka import KafkaSettings
from parking.wire.ports import Outgoing
from tools.stack.infra import Infra


def transact(infra: Infra, messages: Sequence[Outgoing], *, commit: bool) -> None:
    """Write the records, and commit or abort."""

    async def work() -> None:
        settings = KafkaSettings(infra.bootstrap)
        producer = AIOKafkaProducer(transactional_id=uuid.uuid4().hex, **settings.client())
        await producer.start()
        try:
            await producer.begin_transaction()
            for message in messages:
                await producer.send_and_wait(
                    message.topic,
                    message.value,
                    key=message.key,
                    headers=list(message.headers),
                )
            await (producer.commit_transaction() if commit else producer.abort_transaction())
        finally:
            await producer.stop()

    asyncio.run(work())
