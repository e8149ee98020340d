"""The certificate that an installation signs its outputs with: made once at set-up, or the operator's own.

C2PA accepts no self-signed certificate for signing, so a small authority is made first, signs one certificate and is
forgotten: only its certificate stays, at the end of the chain, for anyone who wants to trust this installation.
"""

import contextlib
import os
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 3_650
CLOCK_SKEW = timedelta(days=1)


class IdentityUnusable(ValueError):
    """The operator's certificate or key cannot sign; the message says which file and why."""


@dataclass(frozen=True, slots=True)
class SigningIdentity:
    """A certificate chain, the signer's first, and the signer's key, both PEM; ``algorithm`` in C2PA's words."""

    chain: bytes
    key: bytes = field(repr=False)
    algorithm: str = "ed25519"


def make_identity(organisation: str = "Atelier") -> SigningIdentity:
    """A new signer and its authority, good for ten years."""
    authority_key, signer_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    authority_name = _name(organisation, "Provenance authority of this installation")
    authority = (
        _certificate(authority_name, authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(authority_key, None)
    )
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    signer = (
        _certificate(_name(organisation, "Provenance signer of this installation"), authority_name, signer_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=True)
        .add_extension(issuer, critical=False)
        .sign(authority_key, None)
    )
    chain = b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in (signer, authority))
    return SigningIdentity(chain, _pem(signer_key))


def read_identity(file: Path) -> SigningIdentity:
    """The operator's own. Raises IdentityUnusable with the file and the reason."""
    try:
        content = file.read_bytes()
        certificates = x509.load_pem_x509_certificates(content)
        key = serialization.load_pem_private_key(content, password=None)
    except (OSError, ValueError, TypeError) as error:
        reason = f"{file} holds no certificate chain and private key, both PEM and without a password: {error}"
        raise IdentityUnusable(reason) from error
    if not isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey) or not _is_signing_key(key):
        raise IdentityUnusable(f"the key in {file} is neither Ed25519 nor ECDSA with P-256")
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if certificates[0].public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        raise IdentityUnusable(f"the first certificate in {file} is of another key than the one in it")
    chain = b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)
    return SigningIdentity(chain, _pem(key), "ed25519" if isinstance(key, Ed25519PrivateKey) else "es256")


def ensure_identity(file: Path) -> SigningIdentity:
    """What the file holds; a new identity is written where there is none. Of two processes at once one writes."""
    if not file.exists():
        made = make_identity()
        file.parent.mkdir(parents=True, exist_ok=True)
        with _draft(file) as draft:
            draft.write(made.chain + made.key)
            draft.flush()
            with contextlib.suppress(FileExistsError):
                os.link(draft.name, file)
    return read_identity(file)


def _draft(file: Path) -> "tempfile._TemporaryFileWrapper[bytes]":
    """Readable by its owner alone, as the link to it will be."""
    return tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}-")


def _is_signing_key(key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> bool:
    return isinstance(key, Ed25519PrivateKey) or isinstance(key.curve, SECP256R1)


def _pem(key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _name(organisation: str, common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _certificate(subject: x509.Name, issuer: x509.Name, key: Ed25519PrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
