"""Tokens: each known way to forge one is tried, and refused."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from atelier_gateway.identity.tokens import (
    DEV_AUDIENCE,
    DEV_ISSUER,
    DEV_TOKEN_LIFE,
    OUTSIDE_ALGORITHMS,
    DevelopmentIssuer,
    InvalidToken,
    Issuer,
    Jwks,
    subject_of,
)

KEY = ec.generate_private_key(ec.SECP256R1())
Claims = dict[str, Any]


@pytest.fixture
def issuer(tmp_path: Path) -> DevelopmentIssuer:
    file = tmp_path / "issuer.pem"
    file.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return DevelopmentIssuer(file)


def claims(**changes: object) -> Claims:
    """A good set; a change to None leaves the claim out."""
    good = {"iss": DEV_ISSUER, "aud": DEV_AUDIENCE, "sub": "someone", "exp": datetime.now(UTC) + timedelta(minutes=5)}
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(changed: Claims, headers: Claims | None = None) -> str:
    return jwt.encode(changed, KEY, algorithm="ES256", headers=headers)


def token_without_signature() -> str:
    return jwt.encode(claims(), "", algorithm="none")


def signed_with_the_public_key_as_a_secret() -> str:
    """By hand: the library refuses to make such a token, an attacker does not."""
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    payload = claims(exp=int(datetime.now(UTC).timestamp()) + 300)
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, payload)]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = hmac.digest(public, text, hashlib.sha256)
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def signed_by_somebody_else() -> str:
    return jwt.encode(claims(), ec.generate_private_key(ec.SECP256R1()), algorithm="ES256")


def token_with_its_own_key() -> str:
    """``jwk`` in the header names the key it was signed with, which is not ours."""
    mine = ec.generate_private_key(ec.SECP256R1())
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(mine.public_key()))
    return jwt.encode(claims(), mine, algorithm="ES256", headers={"jwk": jwk})


def with_another_payload() -> str:
    head, _, signature = signed(claims()).split(".")
    payload = base64.urlsafe_b64encode(json.dumps({"sub": "somebody else"}).encode()).rstrip(b"=").decode()
    return f"{head}.{payload}.{signature}"


FORGERIES: dict[str, Callable[[], str]] = {
    "alg none": token_without_signature,
    "HS256 with the public key": signed_with_the_public_key_as_a_secret,
    "another key": signed_by_somebody_else,
    "its own jwk": token_with_its_own_key,
    "jku": lambda: jwt.encode(
        claims(), ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"jku": "https://attacker.example/keys"}
    ),
    "payload changed": with_another_payload,
    "no exp": lambda: signed(claims(exp=None)),
    "no aud": lambda: signed(claims(aud=None)),
    "no iss": lambda: signed(claims(iss=None)),
    "no sub": lambda: signed(claims(sub=None)),
    "a sub with NUL": lambda: signed(claims(sub="some\x00one")),
    "a sub with half a surrogate pair": lambda: signed(claims(sub="some\ud800one")),
    "a sub of two lines": lambda: signed(claims(sub="some\none")),
    "a sub longer than any": lambda: signed(claims(sub="x" * 201)),
    "an empty sub": lambda: signed(claims(sub="")),
    "another audience": lambda: signed(claims(aud="another")),
    "another issuer": lambda: signed(claims(iss="https://attacker.example")),
    "expired": lambda: signed(claims(exp=datetime.now(UTC) - timedelta(minutes=1))),
    "not yet valid": lambda: signed(claims(nbf=datetime.now(UTC) + timedelta(minutes=5))),
    "unknown crit": lambda: signed(claims(), {"crit": ["must-understand"], "must-understand": 1}),
    "kid with a path": lambda: jwt.encode(
        claims(), ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"kid": "../../dev/null"}
    ),
    "not a token": lambda: "a.b",
    "empty": lambda: "",
    "huge": lambda: "a" * 100_000,
}


async def test_a_token_of_our_own_names_its_subject(issuer: DevelopmentIssuer) -> None:
    token = issuer.create_token("someone", now=datetime.now(UTC))

    assert await subject_of(token, (issuer.issuer(),)) == "someone"


async def test_a_token_of_our_own_ends(issuer: DevelopmentIssuer) -> None:
    token = issuer.create_token("someone", now=datetime.now(UTC) - DEV_TOKEN_LIFE - timedelta(minutes=1))

    with pytest.raises(InvalidToken):
        await subject_of(token, (issuer.issuer(),))


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_token_is_refused(issuer: DevelopmentIssuer, forgery: str) -> None:
    with pytest.raises(InvalidToken):
        await subject_of(FORGERIES[forgery](), (issuer.issuer(),))


async def test_the_forgeries_differ_from_a_good_token_by_their_fault_alone(issuer: DevelopmentIssuer) -> None:
    assert await subject_of(signed(claims()), (issuer.issuer(),)) == "someone"


async def test_without_an_issuer_nobody_is_believed(issuer: DevelopmentIssuer) -> None:
    with pytest.raises(InvalidToken):
        await subject_of(issuer.create_token("someone", now=datetime.now(UTC)), ())


def test_a_key_that_is_not_p256_is_refused_at_start(tmp_path: Path) -> None:
    file = tmp_path / "issuer.pem"
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    with pytest.raises(ValueError, match="P-256"):
        DevelopmentIssuer(file)


class CountingJwks(Jwks):
    """An outside issuer whose published keys are a list here; counts how often they are fetched."""

    def __init__(self, *kids: str) -> None:
        super().__init__("https://issuer.example/jwks")
        self.asked = 0
        self._published = kids

    def _download(self) -> list[jwt.PyJWK]:
        self.asked += 1
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
        return [jwt.PyJWK(public | {"kid": kid, "alg": "ES256", "use": "sig"}) for kid in self._published]


async def test_an_outside_issuer_is_believed_by_its_published_key() -> None:
    keys = CountingJwks("k1")
    outside = Issuer("https://issuer.example", "atelier", OUTSIDE_ALGORITHMS, keys)
    token = signed(claims(iss="https://issuer.example"), {"kid": "k1"})

    assert await subject_of(token, (outside,)) == "someone"


async def test_unknown_key_names_do_not_make_us_ask_the_issuer_again_and_again() -> None:
    keys = CountingJwks("k1", "k2")

    for attempt in range(50):
        assert await keys.key_for(f"hostile-{attempt}") is None

    assert keys.asked == 1
    assert await keys.key_for("k2") is not None
