"""The embedded servers themselves keep acknowledged data and restart quickly."""

import asyncio
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import httpx
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from botocore.config import Config

from parking.core.topics import LAYOUTS, SITE_COMMANDS, TOPICS
from tools.stack.checks import free_ports
from tools.stack.errors import StackError
from tools.stack.infra import PARTS, S3, Infra
from tools.stack.pids import Lock, PidFile, end_leftovers
from tools.stack.settings import PORTS, ROOT, Paths, port_setting


async def produce(bootstrap: str, topic: str, value: bytes) -> TopicPartition:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        sent = await producer.send_and_wait(topic, value, key=b"site")
    finally:
        await producer.stop()
    return TopicPartition(sent.topic, sent.partition)


async def values(bootstrap: str, place: TopicPartition) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([place])
        [end] = (await consumer.end_offsets([place])).values()
        found = []
        while await consumer.position(place) < end:
            batch = await consumer.getmany(place, timeout_ms=1000)
            found += [record.value for record in batch.get(place, [])]
        return found
    finally:
        await consumer.stop()


def client_of(s3: S3) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        config=Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


async def test_topics_are_made_as_listed(infra: Infra) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=infra.bootstrap)
    await admin.start()
    try:
        found = await admin.describe_topics(list(TOPICS))
        assert not set(TOPICS) - set(await admin.list_topics())
    finally:
        await admin.close()
    partitions = {topic["topic"]: len(topic["partitions"]) for topic in found}
    assert partitions == {name: topic.partitions for name, topic in TOPICS.items()}


def test_kafka_keeps_what_it_acknowledged_through_kill_9(infra: Infra) -> None:
    value = uuid4().bytes
    place = asyncio.run(produce(infra.bootstrap, SITE_COMMANDS, value))
    starts = infra.starts("kafka")
    infra.kill("kafka")
    infra.wait_restarted("kafka", starts + 1)
    assert value in asyncio.run(values(infra.bootstrap, place))


def test_postgres_keeps_what_it_committed_through_kill_9(infra: Infra) -> None:
    table = f"kept_{uuid4().hex}"
    with psycopg.connect(infra.dsn) as connection:
        connection.execute(f"CREATE TABLE {table} AS SELECT 7 AS n")
    starts = infra.starts("postgres")
    infra.kill("postgres")
    infra.wait_restarted("postgres", starts + 1)
    with psycopg.connect(infra.dsn) as connection:
        row = connection.execute(f"SELECT n FROM {table}")  # noqa: S608 -- the name is made above
        assert row.fetchone() == (7,)


def test_postgres_refuses_a_wrong_password(infra: Infra) -> None:
    wrong = infra.dsn.replace("parking:", "parking:wrong", 1)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(wrong, connect_timeout=5)


def test_the_notifier_reads_no_password_verifiers(infra: Infra) -> None:
    query = "SELECT rolname, rolpassword FROM pg_authid"
    url = infra.env_for("notifier")["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as reader:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(query)
        password = (infra.settings.paths.secrets / "postgres_admin").read_text("utf-8")
        port = infra.settings.ports["postgres"]
        admin = f"postgresql://postgres:{password}@127.0.0.1:{port}/parking"
        with psycopg.connect(admin, autocommit=True) as owner:
            owner.execute("GRANT pg_read_all_data TO parking_read")
            try:
                assert reader.execute(query).fetchall(), "NC: that role would"
            finally:
                owner.execute("REVOKE pg_read_all_data FROM parking_read")


def test_pictures_are_listed_for_nobody_without_credentials(infra: Infra) -> None:
    client_of(infra.s3).put_object(Bucket=infra.s3.bucket, Key="evidence/a/b/1/x.jpg", Body=b"x")
    places = [infra.s3.bucket, f"{infra.s3.bucket}/evidence/a/b/1/x.jpg", ""]
    for place in places:
        assert httpx.get(f"{infra.s3.endpoint}/{place}").status_code == 403, place
    bucket = infra.settings.paths.data / "s3" / infra.s3.bucket
    bucket.chmod(0o755)
    try:
        listed = httpx.get(f"{infra.s3.endpoint}/{infra.s3.bucket}")
        assert listed.status_code == 200, "NC: a folder that others may read is a public bucket"
    finally:
        bucket.chmod(0o700)


def test_what_servers_store_is_for_their_owner_alone(infra: Infra) -> None:
    paths = infra.settings.paths
    for folder in (*sorted(paths.data.iterdir()), paths.state / "kafka", paths.secrets):
        if folder.name in {"kafka", "postgres", "s3", "secrets"}:
            assert folder.stat().st_mode & 0o077 == 0, folder


def test_the_notifier_may_only_read_the_history(infra: Infra) -> None:
    table = f"read_{uuid4().hex}"
    with psycopg.connect(infra.dsn) as owner:
        owner.execute(f"CREATE TABLE {table} AS SELECT 7 AS n")
    environment = infra.env_for("notifier")
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as reader:
        row = reader.execute(f"SELECT n FROM {table}")  # noqa: S608 -- the name is made above
        assert row.fetchone() == (7,)
        for statement in (
            f"UPDATE {table} SET n = 8",  # noqa: S608 -- the name is made above
            f"DROP TABLE {table}",
            "CREATE TABLE mine (n int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement)


def test_s3_keeps_objects_and_refuses_strangers(infra: Infra) -> None:
    s3 = client_of(infra.s3)
    s3.put_object(Bucket=infra.s3.bucket, Key="a/b.jpg", Body=b"x", Metadata={"sha256": "y"})
    starts = infra.starts("s3")
    infra.kill("s3")
    infra.wait_restarted("s3", starts + 1)
    found = s3.get_object(Bucket=infra.s3.bucket, Key="a/b.jpg")
    assert (found["Body"].read(), found["Metadata"]) == (b"x", {"sha256": "y"})
    stranger = client_of(infra.s3._replace(secret_key="wrong"))
    with pytest.raises(s3.exceptions.ClientError, match=r"Forbidden|SignatureDoesNotMatch"):
        stranger.get_object(Bucket=infra.s3.bucket, Key="a/b.jpg")


def test_a_stopped_part_stays_stopped_until_started(infra: Infra) -> None:
    infra.stop("s3")
    with pytest.raises(StackError, match="is not running"):
        infra.pid("s3")
    infra.start("s3")
    assert infra.pid("s3")


def test_a_second_start_finds_everything(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    paths = Paths(tmp_path / "state", ROOT / ".state" / "cache")
    with Infra(paths, os.environ) as first:
        password = first.add_device("site", "cam")[1]
        place = asyncio.run(produce(first.bootstrap, LAYOUTS, b"kept"))
    began = time.monotonic()
    with Infra(paths, os.environ) as second:
        took_s = time.monotonic() - began
        assert asyncio.run(values(second.bootstrap, place)) == [b"kept"]
        assert second.add_device("site", "cam")[1] == password
        assert all(second.pid(name) for name in PARTS)
        with pytest.raises(StackError, match="already runs"):
            Infra(paths, os.environ).__enter__()
    record_property("second start", f"{took_s:.1f} s")


def test_fetch_only_downloads_and_may_while_a_stack_runs(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    lock.take()
    done = subprocess.run(
        [sys.executable, "-m", "tools.stack", "fetch"],
        env=command_env(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lock.release()
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_closing_the_terminal_ends_the_servers_too(tmp_path: Path) -> None:
    """The run has a pseudo terminal of its own, which is closed as a window would be."""
    command = '-m tools.stack infra <"$1" >"$1" 2>"$1"'
    window, terminal = pty.openpty()
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$0" {command}', sys.executable, os.ttyname(terminal)],
        env=command_env(tmp_path),
        start_new_session=True,  # so that it takes the terminal it opens as its own
    )
    shown = b""
    try:
        while b"everything is running" not in shown:
            assert select.select([window], [], [], 60)[0], f"no word for a minute after {shown!r}"
            shown += os.read(window, 4096)
        pids = [PidFile(tmp_path / "run", name).process() for name in PARTS]
        os.close(window)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        end_leftovers(tmp_path / "run")
        os.close(terminal)
    assert all(pids)
    assert not [process for process in pids if process and process.is_running()]
    assert (tmp_path / "logs" / "stack.log").read_text("utf-8").endswith("stopped\n")


def command_env(state: Path) -> dict[str, str]:
    """Return the environment for a stack of its own beside others."""
    ports = zip(PORTS, free_ports(len(PORTS)), strict=True)
    return {
        **os.environ,
        **{port_setting(name): str(port) for name, port in ports},
        "STATE": str(state),
        "CACHE": str(ROOT / ".state" / "cache"),
        "PYTHONPATH": str(ROOT),
    }
