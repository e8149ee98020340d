#!/usr/bin/env bash
# c2pa-python 0.38.1 (SDK 0.91.3) and reproducible output.
#
# Guess:     with one Ed25519 key (its signatures are deterministic), one manifest label, one instance id and no time stamp
#            authority, signing the same picture twice gives the same file.
# Behaviour: each signing salts its assertions, so hashes and signature differ and no two files are equal. A checksum of the
#            signed file cannot tell whether the same picture was made again; the pixels can.
# Seen:      same size True, same bytes False, same pixels True
# Here:      settled question 14 names the exception, and its test compares pixels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check c2pa-python==0.38.1 cryptography==50.0.2 pillow==13.0.0
"$folder/venv/bin/python" - <<'PY'
import io
import json
from datetime import UTC, datetime, timedelta

from c2pa import Builder, C2paSignerInfo, Context, Settings, Signer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image


def certificate(name: str, issuer: str, key: Ed25519PrivateKey, issuer_key: Ed25519PrivateKey, is_ca: bool) -> bytes:
    subject, by = (x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, one)]) for one in (name, issuer))
    now = datetime.now(UTC)
    usage = x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False)
    made = x509.CertificateBuilder(by, subject, key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=9))
    made = made.add_extension(x509.BasicConstraints(is_ca, 0 if is_ca else None), True).add_extension(usage, True)
    if not is_ca:
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), True)
    made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
    return made.sign(issuer_key, None).public_bytes(Encoding.PEM)


authority, signer = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
chain = certificate("Signer", "Authority", signer, authority, False) + certificate("Authority", "Authority", authority, authority, True)
key = signer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
signing = Signer.from_info(C2paSignerInfo(b"ed25519", chain, key, None))
context = Context(settings=Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}}))
identity = "4cd605e7-afa2-4360-b5b9-c5e9fb5c76f4"
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
CREATED = {"action": "c2pa.created", "digitalSourceType": SOURCE}
manifest = {
    "claim_generator_info": [{"name": "example"}],
    "label": f"urn:c2pa:{identity}",
    "instance_id": f"xmp:iid:{identity}",
    "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [CREATED]}}],
}
plain = io.BytesIO()
Image.linear_gradient("L").save(plain, "PNG")


def signed() -> bytes:
    out = io.BytesIO()
    with Builder(json.dumps(manifest), context=context) as builder:
        builder.sign(signing, "image/png", io.BytesIO(plain.getvalue()), out)
    return out.getvalue()


first, second = signed(), signed()
pixels = [Image.open(io.BytesIO(one)).tobytes() for one in (first, second)]
seen = (len(first) == len(second), first == second, pixels[0] == pixels[1])
print("same size {}, same bytes {}, same pixels {}".format(*seen))
assert seen == (True, False, True), "the behaviour has changed"
PY
