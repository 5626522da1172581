"""ports.ObjectStore: memory and a real S3 server pass the same tests."""

import hashlib
from collections.abc import Callable, Iterator

import pytest

from parking.core.errors import Retryable
from parking.runtime.memory import MemoryObjectStore
from parking.runtime.objects import S3Objects, S3Settings, new_client
from parking.wire.ports import ObjectStore
from tools.stack.infra import Infra


def real(infra: Infra, **other: object) -> S3Objects:
    s3 = infra.s3
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
        values = {"bucket": s3.bucket, "endpoint": s3.endpoint, "region": s3.region} | other
        settings = S3Settings(**values)  # type: ignore[arg-type] # a test's free choice
        return S3Objects(new_client(settings), settings.bucket)


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def objects(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    if request.param == "memory":
        yield MemoryObjectStore()
        return
    store = real(request.getfixturevalue("infra"))
    yield store
    store.close()


Unique = Callable[[str], str]


async def test_a_stored_object_can_be_read_and_its_hash_is_returned(
    objects: ObjectStore, unique: Unique
):
    key, data = f"{unique('a')}/x.jpg", bytes(range(256)) * 400
    assert await objects.put(key, data) == hashlib.sha256(data).hexdigest()
    assert await objects.get(key) == data


async def test_putting_again_replaces(objects: ObjectStore, unique: Unique):
    key = f"{unique('a')}/x.jpg"
    await objects.put(key, b"one")
    await objects.put(key, b"two")
    assert await objects.get(key) == b"two"


async def test_an_absent_object_is_a_key_error(objects: ObjectStore, unique: Unique):
    with pytest.raises(KeyError):
        await objects.get(f"{unique('a')}/none.jpg")


async def test_keys_are_listed_by_prefix_in_order_up_to_the_limit(
    objects: ObjectStore, unique: Unique
):
    prefix = unique("a")
    for name in ("c", "a", "b"):
        await objects.put(f"{prefix}/{name}.jpg", b"x")
    await objects.put(f"{prefix}x/other.jpg", b"x")
    keys = [f"{prefix}/{name}.jpg" for name in ("a", "b", "c")]
    assert await objects.list(f"{prefix}/", 10) == keys
    assert await objects.list(f"{prefix}/", 2) == keys[:2]


async def test_removed_objects_are_gone_and_absent_ones_are_no_error(
    objects: ObjectStore, unique: Unique
):
    prefix = unique("a")
    keys = [f"{prefix}/{name}.jpg" for name in ("a", "b", "c")]
    for key in keys:
        await objects.put(key, b"x")
    await objects.delete([*keys[:2], f"{prefix}/never.jpg"])
    assert await objects.list(prefix, 10) == keys[2:]


async def test_a_server_that_is_away_is_an_outage(infra: Infra, unused_tcp_port: int):
    store = real(infra, endpoint=f"http://127.0.0.1:{unused_tcp_port}", timeout_s=1.0)
    with pytest.raises(Retryable):
        await store.put("a", b"x")
    store.close()


async def test_a_missing_bucket_is_an_outage_that_names_it(infra: Infra, unique: Unique):
    name = unique("bucket")
    store = real(infra, bucket=name)
    with pytest.raises(Retryable, match=name):
        await store.put("a", b"x")
    store.close()
