"""OpenID Connect over HTTP: a few bounded requests to the provider, each with a time-out.

Redirects are not followed, and a body larger than MOST_BYTES is refused. The metadata is cached for
KEPT_MS. The keys are fetched for every sign-in, so a new key needs no restart.
"""

from collections.abc import Mapping
from typing import Final

import aiohttp

from parking.access.oidc import (
    Attempt,
    Metadata,
    Person,
    Provider,
    authorization_address,
    is_refused_code,
    metadata_address,
    read_metadata,
    read_person,
    read_tokens,
    token_request,
    with_email,
)
from parking.access.sign_ins import SignInRefused
from parking.core.errors import Invalid, Retryable
from parking.wire.bodies import TooLarge, read_at_most
from parking.wire.ports import Clock

LIMIT_S: Final = 5.0
"""For each request."""
MOST_BYTES: Final = 262_144
KEPT_MS: Final = 600_000
AT_ONCE: Final = 16


class OidcClient:
    """For one process and one provider."""

    def __init__(self, provider: Provider, clock: Clock, limit_s: float = LIMIT_S) -> None:
        self.provider = provider
        self._clock = clock
        self._limit_s = limit_s
        self._known: tuple[int, Metadata] | None = None
        self._busy = 0

    async def address(self, attempt: Attempt, redirect: str) -> str:
        """Where the browser goes to sign in before it returns to `redirect`. Raises Retryable."""
        return authorization_address(await self._metadata(), self.provider, attempt, redirect)

    async def person(self, attempt: Attempt, code: str, redirect: str) -> Person:
        """Who signed in. Raises SignInRefused, Retryable."""
        metadata = await self._metadata()
        headers, body = token_request(metadata, self.provider, attempt, code, redirect)
        status, answer = await self._send(metadata.token_endpoint, headers, body)
        if is_refused_code(status, answer):
            detail = (
                f"{self.provider.label} did not accept the sign-in: perhaps it was used already or"
                " took too long. Sign in again"
            )
            raise SignInRefused(401, "code-refused", detail)
        self._require_ok(metadata.token_endpoint, status)
        keys = await self._get(metadata.jwks_uri)
        try:
            tokens = read_tokens(answer)
            expected = (self.provider, attempt.nonce)
            person = read_person(tokens, keys, metadata, expected, self._clock.now_ms())
            if not person.email and metadata.userinfo_endpoint and tokens.access_token:
                bearer = {"Authorization": f"Bearer {tokens.access_token}"}
                person = with_email(person, await self._get(metadata.userinfo_endpoint, bearer))
        except Invalid as error:
            detail = f"the answer of {self.provider.label} was not accepted: {error.detail}"
            raise SignInRefused(401, error.reason, detail) from error
        return person

    async def _metadata(self) -> Metadata:
        now_ms = self._clock.now_ms()
        if self._known is None or now_ms - self._known[0] >= KEPT_MS:
            body = await self._get(metadata_address(self.provider))
            try:
                self._known = (now_ms, read_metadata(body, self.provider))
            except Invalid as error:
                raise self._away(f"OIDC_ISSUER: {error.detail}") from error
        return self._known[1]

    async def _get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        status, body = await self._send(url, {"Accept": "application/json", **(headers or {})})
        self._require_ok(url, status)
        return body

    async def _send(
        self, url: str, headers: Mapping[str, str], body: str | None = None
    ) -> tuple[int, bytes]:
        """Status and body; POST if there is a body to send. Raises Retryable."""
        if self._busy >= AT_ONCE:
            raise Retryable(
                "too many people are signing in at once: try again in a few seconds", "busy"
            )
        self._busy += 1
        try:
            timeout = aiohttp.ClientTimeout(total=self._limit_s)
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.request(
                    "GET" if body is None else "POST", url, data=body, allow_redirects=False
                ) as response,
            ):
                return response.status, await read_at_most(response.content.iter_any(), MOST_BYTES)
        except TooLarge:
            raise self._away(f"its answer at {url} is larger than {MOST_BYTES} bytes") from None
        except TimeoutError as error:
            raise self._away(f"no answer from {url} within {self._limit_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._away(f"no answer from {url}: {error}") from error
        finally:
            self._busy -= 1

    def _require_ok(self, url: str, status: int) -> None:
        if status != 200:
            hint = "; check OIDC_CLIENT_ID and OIDC_CLIENT_SECRET" if status == 401 else ""
            raise self._away(f"{url} answers {status}{hint}")

    def _away(self, why: str) -> Retryable:
        detail = (
            f"{self.provider.label} cannot sign anybody in now. A password still works. ({why})"
        )
        return Retryable(detail[:500], "no-provider")
