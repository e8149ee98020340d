"""What readers that are not ours find of the marks in an output."""

import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from c2pa import Context, Reader, Settings
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from atelier_render.provenance.identity import SigningIdentity
from atelier_render.providers.toolkit.file_checks import type_of

EXIFTOOL_TAG = "XMP-iptcExt:DigitalSourceType"


def validation_of(data: bytes, identity: SigningIdentity) -> str:
    """C2PA's own word on a file, for a reader that trusts the installation: Trusted, Valid or Invalid."""
    authority = x509.load_pem_x509_certificates(identity.chain)[-1].public_bytes(Encoding.PEM).decode()
    trusting = Context(settings=Settings.from_dict({"trust": {"user_anchors": authority}}))
    with Reader(type_of(data) or "", io.BytesIO(data), context=trusting) as reader:
        return str(reader.get_validation_state())


def manifest_of(data: bytes) -> dict[str, Any]:
    """The active manifest."""
    with Reader(type_of(data) or "", io.BytesIO(data)) as reader:
        found: dict[str, Any] | None = reader.get_active_manifest()
        assert found is not None
        return found


def source_type_by_exiftool(data: bytes, folder: Path) -> str | None:
    """IPTC's digital source type as exiftool reads it."""
    if shutil.which("exiftool") is None:
        pytest.fail("exiftool is not installed, and marks are read with it: deploy/local/bootstrap.sh --tests")
    file = folder / "output"
    file.write_bytes(data)
    asked = ["exiftool", "-json", "-n", f"-{EXIFTOOL_TAG}", "-Warning", "-Error", str(file)]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    (found,) = json.loads(answer.stdout)
    assert "Error" not in found and "Warning" not in found, found
    said: str | None = found.get("DigitalSourceType")
    return said
