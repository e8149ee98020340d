"""AWS Signature V4 in a query string, with signed headers: minio-py signs the host only, which would let the holder of
an upload URL choose the content type and the size. Pure: time and credentials are arguments.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote


@dataclass(frozen=True)
class Signer:
    """Credentials that may sign for one region."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str

    def presign(
        self,
        method: str,
        origin: str,
        path: str,
        *,
        now: datetime,
        expires_s: int,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> str:
        """A URL good for one method, path, query and set of headers until ``now + expires_s`` (now is in UTC).

        ``origin`` is scheme://host[:port]; ``headers`` must be sent by the caller exactly as given here.
        """
        scope = f"{now:%Y%m%d}/{self.region}/s3/aws4_request"
        lines = {"host": origin.split("://", 1)[1]} | {name.lower(): value for name, value in (headers or {}).items()}
        signed_names = ";".join(sorted(lines))
        signed_query = _encode_query(
            {
                **(query or {}),
                "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
                "X-Amz-Credential": f"{self.access_key}/{scope}",
                "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}",
                "X-Amz-Expires": str(expires_s),
                "X-Amz-SignedHeaders": signed_names,
            }
        )
        encoded_path = quote(path, safe="/~")
        canonical_headers = "".join(f"{name}:{lines[name]}\n" for name in sorted(lines))
        request = "\n".join([method, encoded_path, signed_query, canonical_headers, signed_names, "UNSIGNED-PAYLOAD"])
        return f"{origin}{encoded_path}?{signed_query}&X-Amz-Signature={self._signature(now, scope, request)}"

    def _signature(self, now: datetime, scope: str, canonical_request: str) -> str:
        key = f"AWS4{self.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        request_hash = hashlib.sha256(canonical_request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{now:%Y%m%dT%H%M%SZ}\n{scope}\n{request_hash}"
        return hmac.digest(key, text.encode(), "sha256").hex()


def _encode_query(query: Mapping[str, str]) -> str:
    pairs = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)
