"""What must never lie beside the data in plain text: keys, the keys' pepper, the subscribers' broker users.

One file in the format of age, so that any age program opens it, too: by a passphrase, or for the holders of private
keys whose public halves (``age1…``) are given.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyrage  # type: ignore[import-untyped]

from atelier_local.errors import StackError

PASSPHRASE_CHARS_MIN = 12


@dataclass(frozen=True)
class SecretMaterial:
    """What a restored installation must have in common with the one that was saved."""

    values: dict[str, str] = field(repr=False)
    """Settings by their name."""
    files: dict[str, str] = field(repr=False)
    """Texts of key files by their name."""
    broker: dict[str, Any] = field(default_factory=dict, repr=False)
    """RabbitMQ's definitions of the subscribers' users."""
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each other file of the backup: who alters one cannot alter these as well."""


@dataclass(frozen=True)
class Sealing:
    """How the file is closed, or opened: by a passphrase, or else by keys of age."""

    passphrase: str | None = field(default=None, repr=False)
    recipients: Sequence[str] = ()
    identity: str | None = field(default=None, repr=False)

    @property
    def kind(self) -> str:
        """For the manifest."""
        return "age passphrase" if self.passphrase is not None else "age public keys"


def seal(material: SecretMaterial, sealing: Sealing) -> bytes:
    """The encrypted file. Raises StackError."""
    plain = json.dumps(asdict(material)).encode()
    if sealing.passphrase is not None:
        if len(sealing.passphrase) < PASSPHRASE_CHARS_MIN:
            raise StackError(f"the passphrase needs at least {PASSPHRASE_CHARS_MIN} characters")
        return bytes(pyrage.passphrase.encrypt(plain, sealing.passphrase))
    try:
        recipients = [pyrage.x25519.Recipient.from_str(text.strip()) for text in sealing.recipients]
    except pyrage.RecipientError as error:
        raise StackError(f"a recipient is no public key of age (age1…): {error}") from None
    return bytes(pyrage.encrypt(plain, recipients))


def open_sealed(sealed: bytes, sealing: Sealing) -> SecretMaterial:
    """What was sealed. Raises StackError where the passphrase or key is wrong, or the file was altered."""
    try:
        if sealing.passphrase is not None:
            plain = pyrage.passphrase.decrypt(sealed, sealing.passphrase)
        else:
            plain = pyrage.decrypt(sealed, [pyrage.x25519.Identity.from_str((sealing.identity or "").strip())])
    except pyrage.IdentityError:
        raise StackError("the identity file holds no private key of age (AGE-SECRET-KEY-…)") from None
    except pyrage.DecryptError as error:
        raise StackError(f"the keys of the backup cannot be opened, wrong passphrase or key: {error}") from None
    return SecretMaterial(**json.loads(plain))
