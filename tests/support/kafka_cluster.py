"""Three Kafka nodes on this machine, each both broker and controller. Any of them may be killed or
frozen."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import IO, Final

from parking.runtime.kafka import KafkaSettings
from tests.support.waiting import listens, wait_until
from tools.stack.checks import HOST, free_ports
from tools.stack.kafka import java

_CLUSTER: Final = "MkU3OEVBNTcwNTJENDM2Qg"
_HEAP_MB: Final = 256
NODES: Final = (1, 2, 3)
# As deploy/kafka/README.md asks. A busy machine elects no controller within Kafka's usual second.
_PROPERTIES: Final = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
min.insync.replicas=2
message.max.bytes=16065536
replica.fetch.max.bytes=16065536
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=2
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=1
initial.broker.registration.timeout.ms=300000
controller.quorum.election.timeout.ms=3000
controller.quorum.fetch.timeout.ms=6000
"""


@dataclass(slots=True)
class Cluster:
    """The running nodes, by number."""

    folder: Path
    class_path: Sequence[Path]
    ports: dict[int, int]
    _undo: ExitStack
    _processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def settings(self) -> KafkaSettings:
        """Return how a service reaches the cluster. Any node will do."""
        return KafkaSettings(",".join(f"{HOST}:{port}" for port in self.ports.values()))

    def start(self, node: int) -> None:
        """Start a new or killed node, which need not be ready yet."""
        log: IO[bytes] = self._undo.enter_context((self.folder / f"{node}.log").open("ab"))
        command = java(_HEAP_MB, self.class_path, "kafka.Kafka", str(self.properties(node)))
        process = subprocess.Popen(command, stdout=log, stderr=log)
        self._processes[node] = process
        self._undo.callback(process.wait)
        self._undo.callback(process.kill)

    def kill(self, node: int) -> None:
        """End a node with SIGKILL."""
        self._processes[node].kill()
        self._processes[node].wait()

    @contextmanager
    def frozen(self, *nodes: int) -> Iterator[None]:
        """Freeze these nodes during the block, as on a machine that is far too busy."""
        for node in nodes:
            self._processes[node].send_signal(SIGSTOP)
        try:
            yield
        finally:
            for node in nodes:
                self._processes[node].send_signal(SIGCONT)

    def properties(self, node: int) -> Path:
        return self.folder / f"{node}.properties"


@contextmanager
def kafka_cluster(folder: Path, class_path: Sequence[Path]) -> Iterator[Cluster]:
    """Format and start the nodes. They have ended when the `with` ends."""
    free = free_ports(2 * len(NODES))
    ports, controllers = (
        dict(zip(NODES, half, strict=True)) for half in (free[: len(NODES)], free[len(NODES) :])
    )
    voters = ",".join(f"{node}@{HOST}:{port}" for node, port in controllers.items())
    with ExitStack() as undo:
        cluster = Cluster(folder, class_path, ports, undo)
        for node in NODES:
            properties = cluster.properties(node)
            text = _PROPERTIES.format(
                node=node,
                voters=voters,
                host=HOST,
                port=ports[node],
                controller=controllers[node],
                data=folder / f"{node}.data",
            )
            properties.write_text(text, "utf-8")
            tool = java(128, class_path, "kafka.tools.StorageTool", "format", "-t", _CLUSTER)
            subprocess.run([*tool, "-c", str(properties)], check=True, capture_output=True)
            cluster.start(node)
        for node in NODES:
            wait_until(
                partial(listens, ports[node]),
                100,
                f"node {node} listens",
            )
        yield cluster
