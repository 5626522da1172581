"""S3 from S3Proxy, backed by a folder: a bucket is a folder in `data/s3`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from parking.access.secret_files import made_once, private_folder, write_private
from tools.stack.checks import HOST, http_status
from tools.stack.kafka import java
from tools.stack.settings import Paths, StackSettings
from tools.stack.supervisor import Part

BUCKET: Final = "parking-images"
REGION: Final = "us-east-1"
ACCESS_KEY: Final = "parking"
_HEAP_MB: Final = 128


def secret_key(paths: Paths) -> str:
    """Return the secret key of the one S3 user."""
    return made_once(paths.secrets / "s3_secret_key")


def part(settings: StackSettings, class_path: Sequence[Path], env: Mapping[str, str]) -> Part:
    """Write the configuration, create the bucket, and describe the process."""
    data = settings.paths.data / "s3"
    # S3Proxy grants every client what the folder's mode grants other users of this computer.
    for folder in (data, data / BUCKET):
        private_folder(folder)
    port = settings.ports["s3"]
    properties = settings.paths.secrets / "s3proxy.properties"
    lines = {
        "s3proxy.endpoint": f"http://{HOST}:{port}",
        "s3proxy.authorization": "aws-v2-or-v4",
        "s3proxy.identity": ACCESS_KEY,
        "s3proxy.credential": secret_key(settings.paths),
        "jclouds.provider": "filesystem-nio2",
        "jclouds.identity": "unused",
        "jclouds.credential": "unused",
        "jclouds.filesystem.basedir": str(data).replace("\\", "\\\\"),
    }
    write_private(properties, "".join(f"{name}={value}\n" for name, value in lines.items()))

    async def ready() -> None:
        await http_status(port, "/")  # any response will do: an anonymous request is refused

    return Part(
        name="s3",
        command=java(
            _HEAP_MB,
            class_path,
            "-DLOG_LEVEL=warn",
            "org.gaul.s3proxy.Main",
            "--properties",
            str(properties),
        ),
        env=env,
        ready=ready,
        quiet=True,
        port=port,
    )
