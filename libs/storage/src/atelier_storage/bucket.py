"""Sets up the bucket: made unless it is there; pages with a signed URL may put an upload into it and get an output.

``python -m atelier_storage.bucket`` does it, as an identity that may: here ATELIER_S3_ACCESS_KEY is that identity's.
It may be repeated, and asks nothing that an S3 server need not know.
"""

import base64
import hashlib
import sys

from minio import Minio
from minio.error import S3Error

from atelier_storage.client import http_pool, minio_client, translate_errors
from atelier_storage.errors import StorageError
from atelier_storage.settings import StorageSettings

CORS_RULES = (
    b"<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"
    b"<AllowedMethod>PUT</AllowedMethod><AllowedHeader>*</AllowedHeader></CORSRule></CORSConfiguration>"
)


def set_up_bucket(client: Minio, bucket: str, region: str) -> None:
    """Makes the bucket unless it is there, and lets pages of every origin put and get. Raises minio-py's errors.

    Of every origin, as client tokens are made for pages that no setting names. Who may do what is in the signature of
    each URL; a browser sends nothing else along that the store would believe.
    """
    if not client.bucket_exists(bucket):
        try:
            client.make_bucket(bucket, region)
        except S3Error as error:
            if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
    # The client has no method for it.
    digest = base64.b64encode(hashlib.md5(CORS_RULES, usedforsecurity=False).digest()).decode()
    client._execute("PUT", bucket, body=CORS_RULES, headers={"Content-MD5": digest}, query_params={"cors": ""})


def main() -> int:
    """Sets the bucket up and says so; 1 where the store refuses."""
    storage = StorageSettings()
    http = http_pool(storage)
    client = minio_client(storage, http)
    try:
        translate_errors(storage.bucket, lambda: set_up_bucket(client, storage.bucket, storage.region))()
    except StorageError as error:
        sys.stderr.write(f"Could not set up the bucket {storage.bucket}: {error}\n")
        return 1
    finally:
        http.clear()
    sys.stdout.write(f"The bucket {storage.bucket} is ready; pages that have a signed URL may use it.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
