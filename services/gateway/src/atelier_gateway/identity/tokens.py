"""A user's token: a JWT of an issuer we know, with an algorithm we chose, for us, in time.

What the token says of its own key (``jku``, ``x5u``, ``jwk``) is never looked at; ``kid`` only picks among the keys we
have. ``crit`` is honoured: a token that demands something unknown is refused.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic_core import PydanticCustomError

from atelier_gateway.web.text import one_line

DEV_ISSUER = "https://atelier.example/development"
DEV_AUDIENCE = "atelier"
DEV_TOKEN_LIFE = timedelta(hours=12)
OUTSIDE_ALGORITHMS = ("ES256", "RS256")
REQUIRED_CLAIMS = ("exp", "iss", "aud", "sub")
LEEWAY_S = 5
TOKEN_CHARS_MAX = 8_192
SUBJECT_CHARS_MAX = 200
JWKS_KEPT_S = 300.0
JWKS_REFETCH_S = 30.0
"""An unknown ``kid`` makes us ask again, but not more often than this."""
logger = logging.getLogger(__name__)


class InvalidToken(Exception):
    """The token proves nothing; the text is for our own log."""


class KeySource(Protocol):
    """Where the public keys of an issuer come from."""

    async def key_for(self, kid: str | None) -> Any:
        """The key, or None when this issuer has none of that name."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """The trusted issuers and the required audience."""

    name: str
    audience: str
    algorithms: tuple[str, ...]
    keys: KeySource

    async def subject(self, token: str) -> str:
        """The subject of the token. Raises Refused."""
        try:
            key = await self.keys.key_for(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                raise InvalidToken("no key of that name")
            claims = jwt.decode(
                token,
                key,
                algorithms=list(self.algorithms),
                audience=self.audience,
                issuer=self.name,
                leeway=LEEWAY_S,
                options={"require": list(REQUIRED_CLAIMS), "strict_aud": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise InvalidToken(f"{type(error).__name__}: {error}") from None
        return _subject(str(claims["sub"]))


def _subject(text: str) -> str:
    """As users have it (``NewUser.subject``). Raises Refused."""
    try:
        one_line(text)
    except PydanticCustomError as error:
        raise InvalidToken(f"sub: {error.message()}") from None
    if len(text) > SUBJECT_CHARS_MAX:
        raise InvalidToken("sub: longer than any of ours")
    return text


async def subject_of(token: str, issuers: tuple[Issuer, ...]) -> str:
    """The subject of the token, if one of the issuers signed it. Raises Refused."""
    if len(token) > TOKEN_CHARS_MAX:
        raise InvalidToken("longer than any token of ours")
    why = "no issuer is configured"
    for issuer in issuers:
        try:
            return await issuer.subject(token)
        except InvalidToken as error:
            why = str(error)
    raise InvalidToken(why)


class DevelopmentIssuer:
    """Makes and checks tokens with a key file of our own. For local profiles only; production has an outside issuer."""

    def __init__(self, key_file: Path) -> None:
        key = load_pem_private_key(key_file.read_bytes(), password=None)
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise ValueError("ATELIER_DEV_ISSUER_KEY_FILE must hold a P-256 private key in PEM form")
        self._key = key

    def create_token(self, subject: str, *, now: datetime) -> str:
        """A token for this subject, good for ``DEV_TOKEN_LIFE``."""
        claims = {"iss": DEV_ISSUER, "aud": DEV_AUDIENCE, "sub": subject, "iat": now, "exp": now + DEV_TOKEN_LIFE}
        return jwt.encode(claims, self._key, algorithm="ES256")

    async def key_for(self, kid: str | None) -> Any:  # noqa: ARG002 - there is one key, whatever the token calls it
        """Our public key."""
        return self._key.public_key()

    def issuer(self) -> Issuer:
        """Ourselves, as one whose tokens are believed."""
        return Issuer(DEV_ISSUER, DEV_AUDIENCE, ("ES256",), self)


class Jwks:
    """An outside issuer's published keys, cached; fetched again when old or when an unknown ``kid`` appears."""

    def __init__(self, url: str) -> None:
        self._client = jwt.PyJWKClient(url, cache_keys=False, cache_jwk_set=False, timeout=5)
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._fetch_lock = asyncio.Lock()

    async def key_for(self, kid: str | None) -> Any:
        """The key of that name; with a single published key the name may be missing."""
        age = time.monotonic() - self._fetched_at
        if age > JWKS_KEPT_S or (kid not in self._keys and age > JWKS_REFETCH_S):
            await self._fetch()
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    async def _fetch(self) -> None:
        async with self._fetch_lock:
            if time.monotonic() - self._fetched_at < JWKS_REFETCH_S:
                return
            try:
                found = await asyncio.to_thread(self._download)
                self._keys = {key.key_id: key for key in found}
            except (jwt.PyJWTError, OSError) as error:
                logger.warning("fetch of the issuer's keys failed, the cached keys stay in use: %r", error)
            finally:
                self._fetched_at = time.monotonic()

    def _download(self) -> list[jwt.PyJWK]:
        return self._client.get_signing_keys()
