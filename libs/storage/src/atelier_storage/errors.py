"""Errors of storing and fetching, and whether a retry can help."""

from typing import ClassVar


class StorageError(Exception):
    """An object could not be stored or read.

    StorageError
    ├── StorageUnavailable  transient: the store is unavailable, slow or refuses us; retry later
    ├── ObjectMissing       final: no object has this key
    ├── ObjectTooLarge      final: the object is larger than the caller allows
    ├── ObjectCorrupt       final: the bytes do not match the checksum they were stored with
    └── UploadIdentityUnfit final: the identity that signs uploads is missing, or may do more than put them
    """

    transient: ClassVar[bool] = False


class StorageUnavailable(StorageError):
    """The store did not answer, or not usefully. Bad credentials count: the work waits until an operator fixes them."""

    transient = True


class ObjectMissing(StorageError):
    """No object has this key."""


class ObjectTooLarge(StorageError):
    """The object is larger than the caller allows; it was not read to its end."""


class ObjectCorrupt(StorageError):
    """The bytes read do not match the checksum kept with the object."""


class UploadIdentityUnfit(StorageError):
    """The identity that signs uploads is missing, unknown, or may do more than put uploads: an operator must fix
    that."""


class FetchFailed(Exception):
    """A client's URL could not be fetched this time: name service, connection, time, or a 5xx. Try again later."""

    transient: ClassVar[bool] = True
