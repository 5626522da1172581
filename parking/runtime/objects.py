"""ports.ObjectStore on S3 with boto3, which blocks, so its calls run in a few separate threads."""

import asyncio
import base64
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from parking.core.errors import Retryable
from parking.runtime.settings import Reader

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

_THREADS: Final = 4
_DELETED_AT_ONCE: Final = 1000  # S3's own limit


@dataclass(frozen=True, slots=True)
class S3Settings:
    """The bucket's location. Credentials come from boto3's own chain (AWS_*, a role)."""

    bucket: str
    endpoint: str = ""  # empty: AWS
    region: str = ""  # empty: boto3's own
    timeout_s: float = 10.0

    @classmethod
    def read(cls, env: Reader) -> "S3Settings":
        """From S3_BUCKET, S3_ENDPOINT, S3_REGION and S3_TIMEOUT_S."""
        return cls(
            bucket=env.text("S3_BUCKET", "parking-images"),
            endpoint=env.text("S3_ENDPOINT", ""),
            region=env.text("S3_REGION", ""),
            timeout_s=env.number("S3_TIMEOUT_S", 10.0, 0.1, 300.0),
        )


def new_client(settings: S3Settings) -> "S3Client":
    """A boto3 client with limited waits; it connects on its first call."""
    # Some S3 servers reject boto3's newer default checksums. Ours are in put().
    own_server: dict[str, Any] = {
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "s3": {"addressing_style": "path"},
    }
    config = Config(
        connect_timeout=settings.timeout_s,
        read_timeout=settings.timeout_s,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=_THREADS,
        **(own_server if settings.endpoint else {}),
    )
    session = boto3.Session()  # boto3's default session would keep its first credentials for ever
    return session.client(
        "s3",
        endpoint_url=settings.endpoint or None,
        region_name=settings.region or None,
        config=config,
    )


class S3Objects:
    """ports.ObjectStore."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="s3")

    async def put(self, key: str, data: bytes, *, content_type: str = "image/jpeg") -> str:
        """See ports.ObjectStore. The server checks the MD5 before it stores anything."""
        sha256 = hashlib.sha256(data).hexdigest()
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        await self._call(
            self._client.put_object,
            Bucket=self._bucket,
            Key=key,
            Body=data,
            ContentType=content_type,
            ContentMD5=base64.b64encode(md5).decode(),
            Metadata={"sha256": sha256},
        )
        return sha256

    async def get(self, key: str) -> bytes:
        """See ports.ObjectStore."""

        def read() -> bytes:
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()

        try:
            return await self._call(read)
        except Retryable as error:
            if _code(error.__cause__) == "NoSuchKey":
                raise KeyError(key) from error
            raise

    async def delete(self, keys: Sequence[str]) -> None:
        """See ports.ObjectStore."""
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            some = keys[start : start + _DELETED_AT_ONCE]
            answer = await self._call(
                self._client.delete_objects,
                Bucket=self._bucket,
                Delete={"Objects": [{"Key": key} for key in some], "Quiet": True},
            )
            if errors := answer.get("Errors"):
                detail = f"S3 did not remove {len(errors)} objects: {errors[0]}"
                raise Retryable(detail, "s3")

    async def list(self, prefix: str, limit: int) -> list[str]:
        """See ports.ObjectStore."""
        keys: list[str] = []
        while len(keys) < limit:
            answer = await self._call(
                self._client.list_objects_v2,
                Bucket=self._bucket,
                Prefix=prefix,
                MaxKeys=min(limit - len(keys), 1000),
                StartAfter=keys[-1] if keys else "",
            )
            keys += [found["Key"] for found in answer.get("Contents", [])]
            if not answer.get("IsTruncated"):
                break
        return keys

    def close(self) -> None:
        """End the threads and the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def _call(self, work: Callable[..., T], **arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, partial(work, **arguments))
        except (BotoCoreError, ClientError) as error:
            # This also applies to a missing bucket or permission. No picture is dropped, and
            # /readyz gives the reason for the wait.
            raise Retryable(f"S3 bucket {self._bucket}: {error}", "s3") from error


def _code(error: BaseException | None) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
