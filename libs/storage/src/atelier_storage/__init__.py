"""Objects in S3: tenant-prefixed keys, presigned URLs, checksums, safe fetching."""
