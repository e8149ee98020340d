"""Signed checkpoints of the log, in the text format of C2SP tlog-checkpoint and signed-note. Pure."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from atelier_billing.proof.signing_keys import PublicKey, SigningKeys

ED25519 = b"\x01"


class BadCheckpoint(ValueError):
    """The text is no checkpoint of this log that one of these keys has signed; it says why."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The root over the first ``size`` entries of a log."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign_checkpoint(checkpoint: Checkpoint, keys: SigningKeys) -> str:
    """The checkpoint as a signed note."""
    blob = _key_hash(checkpoint.origin, keys.current) + keys.sign(checkpoint.text.encode())
    return f"{checkpoint.text}\n— {checkpoint.origin} {base64.b64encode(blob).decode()}\n"


def open_checkpoint(note: str, origin: str, keys: Iterable[PublicKey]) -> Checkpoint:
    """The checkpoint in a signed note. Raises BadCheckpoint."""
    text, _, signatures = note.partition("\n\n")
    lines = text.split("\n")
    try:
        checkpoint = Checkpoint(lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True))
    except (IndexError, ValueError, binascii.Error):
        raise BadCheckpoint("it has not the three lines of a checkpoint: origin, size, root") from None
    if checkpoint.origin != origin:
        raise BadCheckpoint(f"it is of the log {checkpoint.origin!r}, not of {origin!r}")
    if not any(_has_signed(key, line, f"{text}\n", origin) for line in signatures.split("\n") for key in keys):
        raise BadCheckpoint("it is not signed by a published key")
    return checkpoint


def _has_signed(key: PublicKey, line: str, text: str, origin: str) -> bool:
    name, _, value = line.removeprefix("— ").partition(" ")
    try:
        blob = base64.b64decode(value, validate=True)
        if name != origin or blob[:4] != _key_hash(origin, key):
            return False
        Ed25519PublicKey.from_public_bytes(key.raw).verify(blob[4:], text.encode())
    except (ValueError, InvalidSignature):
        return False
    return True


def _key_hash(name: str, key: PublicKey) -> bytes:
    return sha256(name.encode() + b"\n" + ED25519 + key.raw).digest()[:4]
