"""The users of the embedded development server (``ministack``) beside its root user, in the form in which it keeps its
own state: written before each start, so that neither a crash nor an upgrade of the data can lose them. Other
servers get the same identity by their own means (``deploy/compose``)."""

import json

from atelier_storage.upload_identity import upload_policy

ACCOUNT = "000000000000"
CREATED_AT = "2026-01-01T00:00:00Z"
USER = "uploads"


def users_state(bucket: str, access_key: str, secret_key: str) -> str:
    """JSON with the one user who may put uploads into the bucket and do nothing else."""
    key = {
        "UserName": USER,
        "AccessKeyId": access_key,
        "SecretAccessKey": secret_key,
        "Status": "Active",
        "CreateDate": CREATED_AT,
    }
    user = {
        "UserName": USER,
        "Arn": f"arn:aws:iam::{ACCOUNT}:user/{USER}",
        "UserId": "AIDAUPLOADS",
        "CreateDate": CREATED_AT,
        "Path": "/",
        "PermissionsBoundary": "",
        "AttachedPolicies": [],
        "Tags": [],
    }
    return json.dumps(
        {
            "users": _with_scope(USER, user),
            "access_keys": _with_scope(access_key, key),
            "user_inline_policies": _with_scope(USER, {"put-uploads": json.dumps(upload_policy(bucket))}),
        }
    )


def _with_scope(name: str, value: object) -> dict[str, object]:
    return {"__scoped__": True, "data": {f"{ACCOUNT}\x00{name!r}": value}}
