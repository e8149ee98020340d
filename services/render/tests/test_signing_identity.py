"""The certificate that outputs are signed with is made once, kept, and refused with a reason where it cannot sign."""

from pathlib import Path

import pytest

from atelier_render.provenance.identity import IdentityUnusable, ensure_identity, make_identity, read_identity


def test_an_identity_is_made_once_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "provenance.pem"

    made = ensure_identity(file)

    assert ensure_identity(file) == read_identity(file) == made
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in file.parent.iterdir()] == ["provenance.pem"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no certificate chain"),
        (make_identity().chain, "holds no certificate chain"),
        (make_identity().chain + make_identity().key, "of another key"),
    ],
)
def test_an_identity_that_cannot_sign_is_refused_with_its_file_and_the_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "mine.pem").write_bytes(content)

    with pytest.raises(IdentityUnusable, match=reason) as refused:
        read_identity(tmp_path / "mine.pem")

    assert "mine.pem" in str(refused.value)
