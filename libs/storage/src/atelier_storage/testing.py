"""For the tests of services: a real object store with an empty bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atelier_storage.settings import StorageSettings

_NAMES = ("endpoint", "access_key", "secret_key", "bucket", "upload_access_key", "upload_secret_key")


@contextmanager
def object_store(name: str, root: Path) -> Iterator[StorageSettings]:
    """Its settings; it is started by the local launcher as the stack ``name`` in the folder ``root``, and removed with
    what it stored."""
    # Only where it is used: nothing that is installed depends on the launcher.
    from atelier_local.launcher.objectstore import settings
    from atelier_local.launcher.stack import Stack

    stack = Stack(name, root=root, only=("objectstore",))
    try:
        with stack:
            told = settings(stack.profile)
            yield StorageSettings.model_validate({name: told[f"ATELIER_S3_{name.upper()}"] for name in _NAMES})
    finally:
        stack.clean()
