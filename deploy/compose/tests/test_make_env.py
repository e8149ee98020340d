"""make-env.sh: strong secrets, readable by their owner alone, created once and in the form their readers expect."""

import base64
import hashlib
import json
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import BasicConstraints, ExtendedKeyUsage, load_pem_x509_certificates
from cryptography.x509.oid import ExtendedKeyUsageOID

from atelier_contracts.routes import SERVICES
from atelier_messaging.permissions import USERS, definitions
from atelier_messaging.senders import OPERATOR


def make_env(root: Path, where: Path) -> subprocess.CompletedProcess[str]:
    script = root / "deploy/compose/make-env.sh"
    return subprocess.run([script, where / ".env", where / "secrets"], check=False, capture_output=True, text=True)


@pytest.fixture
def stack_files(root: Path, tmp_path: Path) -> Path:
    done = make_env(root, tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def secrets_of(env_file: Path) -> dict[str, str]:
    lines = [line for line in env_file.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_owner_can_reach_what_was_made(stack_files: Path) -> None:
    assert mode_of(stack_files / ".env") == 0o600
    assert mode_of(stack_files / "secrets") == 0o700
    files = [path for path in (stack_files / "secrets").rglob("*") if path.is_file()]
    assert {mode_of(path) for path in files} == {0o444}  # containers run as other users
    assert mode_of(stack_files / "secrets/render") == 0o755  # it is mounted as a folder


def test_secrets_have_256_bits_and_no_two_are_equal(stack_files: Path) -> None:
    secrets = secrets_of(stack_files / ".env")
    for name in ("ATELIER_ENVIRONMENT", *(f"ATELIER_S3_{who}ACCESS_KEY" for who in ("", "UPLOAD_", "ADMIN_"))):
        del secrets[name]  # no secrets

    assert all(len(bytes.fromhex(value)) == 32 for value in secrets.values())
    assert len(set(secrets.values())) == len(secrets)


def test_the_broker_knows_a_user_a_service_by_the_hash_of_its_password_in_env(stack_files: Path) -> None:
    definitions = json.loads((stack_files / "secrets/rabbitmq-definitions.json").read_text())
    secrets = secrets_of(stack_files / ".env")
    passwords = {user: secrets[f"RABBITMQ_{user.upper()}_PASSWORD"] for user in SERVICES}

    hashes = {user["name"]: base64.b64decode(user["password_hash"]) for user in definitions["users"]}
    assert hashes.keys() == {OPERATOR, *SERVICES}
    for user, password in (passwords | {OPERATOR: secrets["RABBITMQ_PASSWORD"]}).items():
        assert hashes[user][4:] == hashlib.sha256(hashes[user][:4] + password.encode()).digest()


def test_the_definitions_in_the_tree_are_those_that_the_contracts_ask_for(root: Path) -> None:
    """``python -m atelier_messaging.permissions deploy/compose/rabbitmq/definitions.json`` writes them."""
    placeholders = {user: f"@{user.upper()}_HASH@" for user in USERS}

    assert json.loads((root / "deploy/compose/rabbitmq/definitions.json").read_text()) == definitions(placeholders)


def test_an_env_file_of_an_older_version_gets_what_it_lacks_and_keeps_what_it_has(
    root: Path, stack_files: Path
) -> None:
    whole = (stack_files / ".env").read_text().splitlines()
    old = [line for line in whole if not line.startswith(("RABBITMQ_GATEWAY", "RABBITMQ_BILLING", "ATELIER_INSTALL"))]
    (stack_files / ".env").write_text("\n".join([*old, "ATELIER_TRACE_RATIO=0.5"]) + "\n")
    keys = {name: (stack_files / "secrets" / name).read_bytes() for name in ("dev-issuer.pem", "signing-keys.pem")}

    assert make_env(root, stack_files).returncode == 0

    secrets = secrets_of(stack_files / ".env")
    assert dict(line.split("=", 1) for line in old if not line.startswith("#")).items() <= secrets.items()
    assert secrets["ATELIER_TRACE_RATIO"] == "0.5"
    assert {name: (stack_files / "secrets" / name).read_bytes() for name in keys} == keys
    test_the_broker_knows_a_user_a_service_by_the_hash_of_its_password_in_env(stack_files)


def test_a_new_env_file_is_for_a_private_stack_and_an_older_one_is_not_made_one(root: Path, stack_files: Path) -> None:
    file = stack_files / ".env"
    assert secrets_of(file)["ATELIER_ENVIRONMENT"] == "local"
    older = [line for line in file.read_text().splitlines() if not line.startswith(("ATELIER_ENV", "ATELIER_INSTALL"))]
    file.write_text("\n".join(older) + "\n")

    assert make_env(root, stack_files).returncode == 0

    assert "ATELIER_ENVIRONMENT" not in secrets_of(file)


def test_the_development_issuer_signs_with_es256(stack_files: Path) -> None:
    key = load_pem_private_key((stack_files / "secrets/dev-issuer.pem").read_bytes(), password=None)

    assert isinstance(key, EllipticCurvePrivateKey)
    assert isinstance(key.curve, SECP256R1)


def test_outputs_are_signed_by_a_certificate_that_its_authority_has_signed(stack_files: Path) -> None:
    content = (stack_files / "secrets/render/provenance.pem").read_bytes()

    signer, authority = load_pem_x509_certificates(content)
    signer.verify_directly_issued_by(authority)
    assert load_pem_private_key(content, password=None).public_key() == signer.public_key()
    assert signer.extensions.get_extension_for_class(ExtendedKeyUsage).value == ExtendedKeyUsage(
        [ExtendedKeyUsageOID.EMAIL_PROTECTION]
    )
    assert not signer.extensions.get_extension_for_class(BasicConstraints).value.ca


def test_a_second_run_refuses_and_changes_nothing(root: Path, stack_files: Path) -> None:
    before = {path: path.read_bytes() for path in stack_files.rglob("*") if path.is_file()}

    again = make_env(root, stack_files)

    assert again.returncode == 1
    assert "nothing was changed" in again.stderr
    assert {path: path.read_bytes() for path in stack_files.rglob("*") if path.is_file()} == before


def test_an_env_file_from_before_uploads_had_an_identity_gets_one_and_keeps_the_rest(
    root: Path, stack_files: Path
) -> None:
    file = stack_files / ".env"
    older = [line for line in file.read_text().splitlines() if "S3_UPLOAD" not in line]
    file.write_text("\n".join(older) + "\n")

    again = make_env(root, stack_files)

    assert again.returncode == 0, again.stderr
    assert file.read_text().startswith("\n".join(older) + "\n")
    assert len(bytes.fromhex(secrets_of(file)["ATELIER_S3_UPLOAD_SECRET_KEY"])) == 32
    assert mode_of(file) == 0o600


def test_a_run_that_was_cut_off_can_be_repeated(root: Path, stack_files: Path) -> None:
    (stack_files / ".env").unlink()

    assert make_env(root, stack_files).returncode == 0
    test_the_broker_knows_a_user_a_service_by_the_hash_of_its_password_in_env(stack_files)


def test_receipts_are_signed_with_ed25519(stack_files: Path) -> None:
    key = load_pem_private_key((stack_files / "secrets/signing-keys.pem").read_bytes(), password=None)

    assert isinstance(key, Ed25519PrivateKey)
