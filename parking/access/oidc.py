"""OpenID Connect without I/O: what is sent to the provider, and what its answers must prove.

It uses the authorization code flow with PKCE. Authlib builds the requests and checks the id_token's
claims; joserfc checks its signature.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import quote_plus, urlsplit

import msgspec
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from parking.core.errors import UNREADABLE, Invalid
from parking.runtime.hosts import is_loopback

T = TypeVar("T")

SCOPE: Final = "openid email"
LEEWAY_S: Final = 60
"""How far the provider's clock may be off."""
ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
)  # fmt: skip -- one word list
"""Only public-key algorithms, because the client's secret signs nothing."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Who signs people in, and how this system is registered there. `label`: the provider's name on
    the page."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    label: str


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider publishes about itself (OpenID Connect Discovery)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider gives for a code."""

    id_token: str
    access_token: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    error: str


class _Keys(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed in at the provider. `sub` never changes, but an address may."""

    sub: str
    email: str = ""
    email_verified: bool | str = False  # some providers write "true"

    @property
    def has_verified_email(self) -> bool:
        """Whether the provider vouches for the address."""
        return bool(self.email) and self.email_verified in (True, "true")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to sign in. `secret` is 256 random bits in a cookie of the browser that began it.
    What the provider sees is derived from it, so no process has to remember the attempt."""

    secret: str

    @classmethod
    def new(cls) -> "Attempt":
        """With fresh random bits."""
        return cls(secrets.token_urlsafe(32))

    @property
    def state(self) -> str:
        """Returned with the code, it proves that the answer belongs to this browser."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """Returned in the id_token, it proves that the token was issued for this attempt."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """Sent with the code, it proves that the code is not used by somebody else (PKCE)."""
        return self._derived("verifier")

    def _derived(self, what: str) -> str:
        digest = hmac.digest(self.secret.encode(), what.encode(), "sha256")
        return urlsafe_b64encode(digest).decode().rstrip("=")


def is_safe_address(url: str, *, local: bool = True) -> bool:
    """Whether the address is https or, if `local`, http on this computer."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or parts.fragment or not url.isascii() or " " in url:
        return False
    return parts.scheme == "https" or (local and parts.scheme == "http" and is_loopback(host))


def metadata_address(provider: Provider) -> str:
    """Where the provider publishes its metadata."""
    return f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"


def read_metadata(body: bytes, provider: Provider) -> Metadata:
    """Parse the metadata. Raises Invalid if it is another issuer's or names an unencrypted
    address."""
    metadata = _read(body, Metadata, "the metadata")
    if metadata.issuer != provider.issuer:
        detail = f"the metadata names the issuer {metadata.issuer[:200]!a}, not {provider.issuer}"
        raise Invalid("bad-provider", detail)
    local = provider.issuer.startswith("http:")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
        address = getattr(metadata, name)
        optional = name == "userinfo_endpoint" and not address
        if not optional and not is_safe_address(address, local=local):
            raise Invalid("bad-provider", f"{name} is not an https address: {address[:200]!a}")
    return metadata


def authorization_address(
    metadata: Metadata, provider: Provider, attempt: Attempt, redirect: str
) -> str:
    """Where the browser goes to sign in."""
    address: str = prepare_grant_uri(
        metadata.authorization_endpoint,
        provider.client_id,
        "code",
        redirect,
        SCOPE,
        attempt.state,
        nonce=attempt.nonce,
        code_challenge=create_s256_code_challenge(attempt.verifier),
        code_challenge_method="S256",
    )
    return address


def token_request(
    metadata: Metadata, provider: Provider, attempt: Attempt, code: str, redirect: str
) -> tuple[dict[str, str], str]:
    """Headers and body that redeem the code."""
    body = prepare_token_request(
        "authorization_code", "", redirect, code=code, code_verifier=attempt.verifier
    )
    known = metadata.token_endpoint_auth_methods_supported
    basic = "client_secret_basic" in known or "client_secret_post" not in known
    method = "client_secret_basic" if basic else "client_secret_post"
    names = provider.client_id, provider.client_secret
    if basic:  # RFC 6749, 2.3.1; the library leaves this to its caller
        names = quote_plus(names[0]), quote_plus(names[1])
    client = ClientAuth(*names, method)
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    _, headers, body = client.prepare("POST", metadata.token_endpoint, headers, body)
    return headers, body


def is_refused_code(status: int, body: bytes) -> bool:
    """Whether this answer says that the code is at fault, because it was used, has expired or is
    not ours."""
    try:
        return status == 400 and msgspec.json.decode(body, type=_Refusal).error == "invalid_grant"
    except UNREADABLE:
        return False


def read_tokens(body: bytes) -> Tokens:
    """Raises Invalid."""
    return _read(body, Tokens, "the answer to the code")


def read_person(
    tokens: Tokens, keys: bytes, metadata: Metadata, expected: tuple[Provider, str], now_ms: int
) -> Person:
    """Who signed in, according to an id_token with a valid signature, issuer, audience, times and
    nonce. `keys` are the provider's, as JSON. `expected` is the provider and the attempt's nonce.
    Raises Invalid."""
    provider, nonce = expected
    allowed = [a for a in metadata.id_token_signing_alg_values_supported if a in ALGORITHMS]
    if not allowed:
        raise Invalid("bad-provider", f"it signs with none of {', '.join(ALGORITHMS)}")
    registry = JWSRegistry(algorithms=allowed, strict_check_header=False)
    options = {
        "iss": {"essential": True, "value": provider.issuer},
        "aud": {"essential": True, "value": provider.client_id},
        "sub": {"essential": True},
    }
    params = {"nonce": nonce, "client_id": provider.client_id, "access_token": tokens.access_token}
    try:
        decoded = jwt.decode(tokens.id_token, _keys(keys), registry=registry)
        claims = CodeIDToken(decoded.claims, decoded.header, options, params)
        claims.validate(now=now_ms // 1000, leeway=LEEWAY_S)
        person = msgspec.convert(dict(claims), Person)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise Invalid("bad-token", f"its id_token is not valid ({error})"[:300]) from error
    if not (0 < len(person.sub) <= 255 and person.sub.isprintable()):
        raise Invalid("bad-token", "its id_token has no subject (sub)")
    return person


def with_email(person: Person, userinfo: bytes) -> Person:
    """The person with the address from the provider's userinfo. Raises Invalid if that is about
    somebody else."""
    other = _read(userinfo, Person, "the userinfo")
    if other.sub != person.sub:
        raise Invalid("bad-token", "its userinfo and its id_token are about different people")
    return other


def _keys(body: bytes) -> KeySet:
    keys = _read(body, _Keys, "the keys").keys
    return KeySet.import_key_set({"keys": keys})


def _read(body: bytes, type_: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(body, type=type_)
    except UNREADABLE as error:
        raise Invalid("bad-provider", f"{what} cannot be read: {error}"[:300]) from error
