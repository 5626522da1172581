"""Digests of tags, asked from an image's own registry (OCI distribution API, anonymous token)."""

import hashlib
import re
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from tools.supply.images import Image

_TIMEOUT_S: Final = 20
_LIMIT_BYTES: Final = 4 << 20
_ACCEPTED: Final = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')
_LOOPBACK: Final = {"127.0.0.1", "localhost"}


class NoDigest(Exception):
    """The registry did not give a digest that can be trusted. The message says why."""


def digest_of(image: Image, client: httpx.Client | None = None) -> str:
    """Return the digest of what the tag stands for now: the index, if the image has several
    platforms. It is computed from the manifest and compared with the registry's header.

    Raises NoDigest if the registry cannot be reached, refuses, or contradicts itself.
    """
    with client or httpx.Client(timeout=_TIMEOUT_S) as http:
        try:
            return _checked(image, _manifest(http, image))
        except httpx.HTTPError as error:
            raise NoDigest(f"{image}: the registry failed: {str(error) or repr(error)}") from error


def _checked(image: Image, answer: httpx.Response) -> str:
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise NoDigest(f"{image}: the registry has no such tag")
    if answer.status_code != httpx.codes.OK:
        raise NoDigest(f"{image}: the registry answered {answer.status_code}")
    if len(answer.content) > _LIMIT_BYTES:
        raise NoDigest(f"{image}: the manifest has {len(answer.content)} bytes")
    computed = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
    stated = answer.headers.get("Docker-Content-Digest", computed)
    if stated != computed:
        raise NoDigest(f"{image}: the registry states {stated}, but the manifest has {computed}")
    return computed


def _manifest(http: httpx.Client, image: Image) -> httpx.Response:
    url = f"{_base(http, image)}/v2/{image.path}/manifests/{image.tag}"
    headers = {"Accept": _ACCEPTED}
    answer = http.get(url, headers=headers)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        token = _token(http, image, answer.headers.get("WWW-Authenticate", ""))
        answer = http.get(url, headers={**headers, "Authorization": f"Bearer {token}"})
    return answer


def _base(http: httpx.Client, image: Image) -> str:
    """Find the registry. Some names are a company's page, and their registry listens at the name
    `registry-1` before it, which image references leave out."""
    names = [image.host] if _is_local(image.host) else [image.host, f"registry-1.{image.host}"]
    reasons = []
    for name in names:
        base = f"{'http' if _is_local(name) else 'https'}://{name}"
        try:
            status = http.get(f"{base}/v2/").status_code
        except httpx.TransportError as error:
            reasons.append(f"{name}: {str(error) or repr(error)}")
            continue
        if status in {httpx.codes.OK, httpx.codes.UNAUTHORIZED}:
            return base
        reasons.append(f"{name}: answers {status} to /v2/")
    raise NoDigest(f"{image}: no registry can be reached ({'; '.join(reasons)})")


def _token(http: httpx.Client, image: Image, challenge: str) -> str:
    """Ask for an anonymous token, as the challenge says. No login is ever sent."""
    scheme, _, rest = challenge.partition(" ")
    asked = dict(_PARAMETER.findall(rest))
    realm = asked.pop("realm", "")
    address = urlsplit(realm)
    if scheme.lower() != "bearer" or not realm:
        raise NoDigest(f"{image}: the registry wants a login ({scheme or 'no challenge'})")
    if address.scheme != "https" and not _is_local(address.netloc):
        raise NoDigest(f"{image}: the registry's token address is not https: {realm}")
    asked.setdefault("scope", f"repository:{image.path}:pull")
    answer = http.get(realm, params={**dict(_pairs(address.query)), **asked})
    if answer.status_code != httpx.codes.OK:
        raise NoDigest(f"{image}: no anonymous token, {address.netloc} says {answer.status_code}")
    try:
        given: dict[str, Any] = answer.json()
        return str(given.get("token") or given["access_token"])
    except (ValueError, KeyError, AttributeError) as error:
        raise NoDigest(f"{image}: {address.netloc} sent no token") from error


def _pairs(query: str) -> list[tuple[str, str]]:
    return list(httpx.QueryParams(query).multi_items())


def _is_local(host: str) -> bool:
    return host.rpartition(":")[0] in _LOOPBACK or host in _LOOPBACK
