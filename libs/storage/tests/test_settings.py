"""Settings: what is malformed stops start-up, what is secret stays secret."""

import pytest
from pydantic import SecretStr, ValidationError

from atelier_storage.settings import StorageSettings


@pytest.mark.parametrize("endpoint", ["minio:9000", "ftp://minio", "http://u:p@minio", "http://minio/path"])
def test_an_endpoint_that_is_no_plain_origin_stops_start_up(endpoint: str) -> None:
    with pytest.raises(ValidationError):
        StorageSettings(endpoint=endpoint, access_key="a", secret_key=SecretStr("b"), bucket="pictures")


def test_settings_come_from_the_environment_and_keep_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ENDPOINT": "http://minio:9000", "ACCESS_KEY": "a", "SECRET_KEY": "canary"}.items():
        monkeypatch.setenv(f"ATELIER_S3_{name}", value)
    monkeypatch.setenv("ATELIER_S3_BUCKET", "pictures")

    settings = StorageSettings()

    assert (settings.region, settings.public_endpoint) == ("us-east-1", None)
    assert "canary" not in repr(settings)


@pytest.mark.parametrize(
    "uploads",
    [{"upload_access_key": "u"}, {"upload_secret_key": "s"}, {"upload_access_key": "a", "upload_secret_key": "s"}],
)
def test_half_an_upload_identity_and_one_that_is_the_services_own_stop_start_up(uploads: dict[str, str]) -> None:
    own = {"endpoint": "http://minio:9000", "access_key": "a", "secret_key": "b", "bucket": "pictures"}

    with pytest.raises(ValidationError, match="ATELIER_S3_UPLOAD_ACCESS_KEY"):
        StorageSettings.model_validate(own | uploads)
