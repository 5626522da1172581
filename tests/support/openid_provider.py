"""A small OpenID Connect provider over real HTTP on 127.0.0.1, with real keys.

It checks the client, the redirect URI, PKCE and that a code is used once. `fault` makes it lie.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from parking.access.oidc import Provider
from parking.wire.ports import Clock

CLIENT, SECRET = "parking", "the client:secret+50%"
TTL_S = 300


@cache
def _key(number: int) -> RSAKey:
    """Return a key that is generated once, because that takes long."""
    return RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)


@dataclass
class OpenIdProvider:
    """Signs in `subject` with `email` without asking. `claims` replace those of the id_token (None
    leaves one out)."""

    clock: Clock
    issuer: str = ""
    subject: str = "subject-1"
    email: str | None = "ann@example.org"
    verified: bool = True
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    fault: str = ""
    asked: list[str] = field(default_factory=list)
    keys: KeySet = field(default_factory=lambda: KeySet([_key(0)]))
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _access: dict[str, str] = field(default_factory=dict)

    @property
    def registered(self) -> Provider:
        """Return the provider as the notifier's settings name it."""
        return Provider(self.issuer, CLIENT, SECRET, "Work account")

    def sign_in(self, address: str) -> dict[str, str]:
        """Act as the browser at that address. Return the query that it comes back with."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert query["response_type"] == "code"
        assert (query["client_id"], query["code_challenge_method"]) == (CLIENT, "S256")
        if self.fault == "denies":
            return {"state": query["state"], "error": "access_denied"}
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return {"state": query["state"], "code": code}

    def rotate(self) -> None:
        """Sign with another key from now on."""
        self.keys = KeySet([_key(1)])

    def application(self) -> web.Application:
        """Return the application with its HTTP endpoints."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._metadata),
                web.get("/keys", self._keys),
                web.post("/token", self._token),
                web.get("/userinfo", self._userinfo),
                web.get("/elsewhere", self._keys),
            ]
        )
        return app

    async def _metadata(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if self.fault == "huge":
            return web.Response(body=b" " * 300_000)
        if self.fault == "hangs":
            await asyncio.sleep(1)
        if self.fault == "redirects":
            raise web.HTTPFound(f"{self.issuer}/elsewhere")
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                **self.metadata,
            }
        )

    async def _keys(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return web.json_response(self.keys.as_dict(private=False))

    async def _token(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        form = dict(await request.post())
        basic = request.headers.get("Authorization", "").removeprefix("Basic ")
        sent = ":".join(map(unquote_plus, base64.b64decode(basic).decode().split(":")))
        if "token_endpoint_auth_methods_supported" in self.metadata:
            sent = ":".join(str(form.get(name)) for name in ("client_id", "client_secret"))
        if sent != f"{CLIENT}:{SECRET}":
            return web.json_response({"error": "invalid_client"}, status=401)
        begun = self._codes.pop(str(form.get("code")), None)
        digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            begun is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != begun["redirect_uri"]
            or challenge != begun["code_challenge"]
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        access = secrets.token_urlsafe(16)
        self._access[access] = self.subject
        return web.json_response(
            {
                "access_token": access,
                "token_type": "Bearer",
                "id_token": self._id_token(begun["nonce"]),
            }
        )

    async def _userinfo(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        subject = "another" if self.fault == "mixes people up" else self._access[token]
        return web.json_response(
            {"sub": subject, "email": "ann@example.org", "email_verified": self.verified}
        )

    def _id_token(self, nonce: str) -> str:
        now = self.clock.now_ms() // 1000
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT,
            "iat": now,
            "exp": now + TTL_S,
            "nonce": nonce,
            "email": self.email,
            "email_verified": self.verified,
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        key = self.keys.keys[0]
        if self.fault == "signs with the client's secret":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET), ["HS256"])
        if self.fault == "signs with another key":
            return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, _key(1))
        if self.fault == "does not sign":
            head, body, _ = jwt.encode({"alg": "RS256"}, claims, key).split(".")
            head = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
            return f"{head}.{body}."
        return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


@asynccontextmanager
async def openid_provider(clock: Clock) -> AsyncIterator[OpenIdProvider]:
    """Run it until the end of the block."""
    provider = OpenIdProvider(clock)
    runner = web.AppRunner(provider.application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    provider.issuer = f"http://{host}:{port}"
    try:
        yield provider
    finally:
        await runner.cleanup()
