"""The Ed25519 keys of the receipts and of the log: one signs, those before it are still published.

The file holds PEM blocks. The first is the private key that signs; each further block, private or public, is a key
that signed before. To rotate, put a new private key on top and keep the others, or their public halves, below.
"""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

_BLOCK = re.compile(rb"-----BEGIN (?P<what>[A-Z ]+)-----.+?-----END (?P=what)-----", re.DOTALL)


class UnusableKeys(Exception):
    """The key file cannot be used; the text names the file and the fault, never a key."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A published key. ``id`` is its JWK thumbprint (RFC 7638)."""

    id: str
    raw: bytes

    @property
    def jwk(self) -> dict[str, str]:
        """As it stands in the key set (RFC 8037)."""
        return {"kty": "OKP", "crv": "Ed25519", "x": encode(self.raw), "kid": self.id, "use": "sig", "alg": "EdDSA"}


class SigningKeys:
    """The keys of an installation."""

    def __init__(self, private: Ed25519PrivateKey, earlier: Sequence[Ed25519PublicKey] = ()) -> None:
        self._private = private
        published = [_published(key) for key in (private.public_key(), *earlier)]
        self.public = tuple({key.id: key for key in published}.values())
        self.current = self.public[0]

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of the signature by the current key."""
        return self._private.sign(data)

    def jwks(self) -> dict[str, Any]:
        """All keys as a JSON Web Key Set (RFC 7517), the current one first."""
        return {"keys": [key.jwk for key in self.public]}


def read_keys(file: Path) -> SigningKeys:
    """The keys in the file. Raises UnusableKeys."""
    try:
        blocks = [(match["what"], match[0]) for match in _BLOCK.finditer(file.read_bytes())]
    except OSError as error:
        raise UnusableKeys(f"the signing keys cannot be read from {file}: {error.strerror}") from None
    if not blocks or b"PRIVATE" not in blocks[0][0]:
        raise UnusableKeys(f"{file} does not begin with a private key in PEM (openssl genpkey -algorithm ed25519)")
    private = load_block(*blocks[0], file=file, position=1)
    assert isinstance(private, Ed25519PrivateKey)
    earlier = [load_block(*block, file=file, position=2 + index) for index, block in enumerate(blocks[1:])]
    return SigningKeys(private, [key.public_key() if isinstance(key, Ed25519PrivateKey) else key for key in earlier])


def load_block(what: bytes, pem: bytes, *, file: Path, position: int) -> Ed25519PrivateKey | Ed25519PublicKey:
    """One PEM block as a key. Raises UnusableKeys."""
    try:
        key = load_pem_private_key(pem, None) if b"PRIVATE" in what else load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableKeys(f"{file}: PEM block {position} cannot be read as a key without a password") from None
    if not isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
        raise UnusableKeys(f"{file}: PEM block {position} is not an Ed25519 key")
    return key


def encode(data: bytes) -> str:
    """Base64url without padding, as JOSE writes bytes."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _published(key: Ed25519PublicKey) -> PublicKey:
    raw = key.public_bytes_raw()
    members = {"crv": "Ed25519", "kty": "OKP", "x": encode(raw)}
    thumbprint = sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    return PublicKey(encode(thumbprint), raw)
