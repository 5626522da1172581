"""The cache changes neither the partitions nor the headers of records."""

from datetime import UTC, datetime

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from parking.core.events import TIME_END_MS, TickElapsed
from parking.wire import codec
from parking.wire.partitioning import partition_of, partitioner


@given(st.binary(max_size=60), st.integers(1, 64))
def test_the_partitioner_chooses_as_kafkas_own(key: bytes, partitions: int):
    every = list(range(partitions))
    chosen = [partitioner(key, every, every) for _ in range(2)]
    assert chosen == [DefaultPartitioner()(key, every, every)] * 2
    assert partition_of(key, partitions) == chosen[0]


def test_without_a_key_any_available_one_will_do():
    assert {partitioner(None, [0, 1, 2], [1]) for _ in range(20)} == {1}


@pytest.mark.parametrize("time_ms", [0, 1, 999, 1_000, 1_700_000_000_009, TIME_END_MS - 1])
def test_the_time_in_the_headers_has_milliseconds(time_ms: int):
    event = TickElapsed(id="lot/tick/1", site_id="lot", time_ms=time_ms)
    for _ in range(2):
        time_text = dict(codec.cloud_headers(event, "test"))["ce_time"].decode()
        assert time_text.endswith("Z")
        assert len(time_text) == len("2026-01-01T00:00:00.000Z")
        reported_at = datetime.fromisoformat(time_text).astimezone(UTC)
        assert round(reported_at.timestamp() * 1_000) == time_ms
