"""Kafka as deploy/kafka/server.properties configures it: one node with TLS, SCRAM and ACLs."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from parking.runtime.kafka import KafkaSettings
from tests.support.waiting import listens, wait_until
from tools.stack.checks import HOST, free_ports
from tools.stack.kafka import java
from tools.stack.settings import ROOT

PROPERTIES = ROOT / "deploy" / "kafka" / "server.properties"
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"


@dataclass(frozen=True)
class SecureKafka:
    """Its address. Every user's password is the user's name reversed, twice."""

    bootstrap: str
    authority: Path

    def settings(self, user: str, word: str | None = None) -> KafkaSettings:
        """Return the settings of a service with this user."""
        return KafkaSettings(
            self.bootstrap,
            security="SASL_SSL",
            username=user,
            password=password(user) if word is None else word,
            ca_file=str(self.authority),
        )


def password(user: str) -> str:
    """Return the password of a user."""
    return user[::-1] * 2


@contextmanager
def secure_kafka(
    folder: Path, class_path: Sequence[Path], users: Sequence[str]
) -> Iterator[SecureKafka]:
    """Run it below `folder`, with these users beside `operator`."""
    port, controller = free_ports(2)
    _certificates(folder)
    values = {
        "HOST": HOST,
        "PORT": str(port),
        "CONTROLLER": str(controller),
        "DATA": str(folder / "data"),
        "KEYSTORE": str(folder / "server.pem"),
        "AUTHORITY": str(folder / "ca.crt"),
        "OPERATOR_PASSWORD": password("operator"),
    }
    text = PROPERTIES.read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    properties = folder / "server.properties"
    properties.write_text(text, "utf-8")
    scram = [
        part
        for user in ("operator", *users)
        for part in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={password(user)}]")
    ]
    tool = java(128, class_path, "kafka.tools.StorageTool", "format", "-t", CLUSTER)
    subprocess.run([*tool, "-c", str(properties), *scram], check=True, capture_output=True)
    with (folder / "log").open("wb") as log:
        command = java(256, class_path, "kafka.Kafka", str(properties))
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or listens(port), 60, "Kafka listens")
        assert process.poll() is None, (folder / "log").read_text("utf-8")[-2000:]
        yield SecureKafka(f"{HOST}:{port}", folder / "ca.crt")
    finally:
        process.kill()
        process.wait()


def _certificates(folder: Path) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    extra = folder / "san"
    extra.write_text(f"subjectAltName=IP:{HOST}\n", "utf-8")
    ca, server = folder / "ca", folder / "server"
    _openssl("req", "-x509", *key, "-subj", "/CN=test", "-keyout", f"{ca}.key", "-out", f"{ca}.crt")
    _openssl("req", *key, "-subj", "/CN=kafka", "-keyout", f"{server}.key", "-out", f"{server}.csr")
    signed = ["-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial", "-extfile", str(extra)]
    _openssl("x509", "-req", "-in", f"{server}.csr", *signed, "-out", f"{server}.crt")
    pem = Path(f"{server}.key").read_text("utf-8") + Path(f"{server}.crt").read_text("utf-8")
    Path(f"{server}.pem").write_text(pem, "utf-8")


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)  # noqa: S607 -- the one there is
