"""Address, credentials and limits of the bucket; read once from ATELIER_S3_* at start-up."""

from typing import Annotated, Self

from pydantic import AfterValidator, AnyHttpUrl, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _origin_only(url: AnyHttpUrl) -> AnyHttpUrl:
    if url.username or url.password or url.path not in (None, "/") or url.query or url.fragment:
        raise ValueError("an S3 endpoint is scheme://host[:port], without path, query or credentials")
    return url


Origin = Annotated[AnyHttpUrl, AfterValidator(_origin_only)]


class StorageSettings(BaseSettings):
    """S3 address, credentials and limits. A malformed value stops start-up with a clear error."""

    model_config = SettingsConfigDict(env_prefix="ATELIER_S3_", frozen=True)

    endpoint: Origin = Field(description="address the services use")
    public_endpoint: Origin | None = Field(
        None, description="address clients use in presigned URLs, where it differs from the endpoint"
    )
    access_key: str = Field(min_length=1)
    """Identity of the services at the object store."""
    secret_key: SecretStr = Field(min_length=1)
    """Secret of that identity."""
    upload_access_key: str | None = Field(
        None, min_length=1, description="of the identity that signs upload URLs; it may put uploads and nothing else"
    )
    upload_secret_key: SecretStr | None = Field(None, min_length=1)
    """Secret of the identity that signs upload URLs."""
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """Bucket that holds uploads and outputs."""
    region: str = Field("us-east-1", pattern=r"^[a-z0-9-]+$")
    """Region that requests are signed for."""
    connect_timeout_s: float = Field(3.0, gt=0, description="to open a connection")
    timeout_s: float = Field(20.0, gt=0, description="for one whole operation, waiting for a thread included")
    threads: int = Field(8, ge=1, le=64, description="operations in flight at once in one process")

    @model_validator(mode="after")
    def _check_upload_identity(self) -> Self:
        if (self.upload_access_key is None) != (self.upload_secret_key is None):
            raise ValueError("ATELIER_S3_UPLOAD_ACCESS_KEY and ATELIER_S3_UPLOAD_SECRET_KEY belong together")
        if self.upload_access_key == self.access_key:
            raise ValueError("ATELIER_S3_UPLOAD_ACCESS_KEY must be another identity than ATELIER_S3_ACCESS_KEY")
        return self
