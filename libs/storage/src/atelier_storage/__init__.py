"""Objects in S3: tenant-prefixed keys, presigned URLs, checksums, safe fetching.

Nothing is re-exported here, so that a process that only makes keys or judges URLs does not pay for the S3 client.
"""
