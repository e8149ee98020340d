"""The only place where object keys are created and checked; a key starts with its owner, and clients never write
one."""

import re
import unicodedata
from uuid import UUID

OWNER_FOLDERS = {"store": "stores", "user": "users", "workspace": "workspaces"}
FILENAME_CHARS_MAX = 100

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_FILENAME = rf"(?=[^/]{{1,{FILENAME_CHARS_MAX}}}$)[A-Za-z0-9_](?:\.?[A-Za-z0-9_-])*"
_SHA256 = r"[0-9a-f]{64}"
_ATTEMPT = r"[0-9]{1,5}(?:-[0-9a-f]{1,16})?"
_ARTEFACT = r"[0-9]{1,3}(?:\.thumbnail)?\.[a-z0-9]{1,8}"
_PREVIEW = r"preview-[0-9]\.[a-z0-9]{1,8}"
_KEY = re.compile(
    rf"(?P<owner>(?:{'|'.join(OWNER_FOLDERS.values())})/{_UUID})/"
    rf"(?:uploads/(?P<upload>{_UUID})/{_FILENAME}|inputs/(?P<input>{_UUID})/{_SHA256}|generated/(?P<generation>{_UUID})/"
    rf"(?:(?:{_ATTEMPT}/)?{_ARTEFACT}|{_PREVIEW}))",
    re.ASCII,
)


def upload_key(owner_kind: str, owner_id: UUID, upload_id: UUID, filename: str) -> str:
    """``stores/{store_id}/uploads/{upload_id}/{filename}``; users and workspaces alike.

    The filename is reduced to safe characters. Raises ValueError for an unknown kind of owner.
    """
    return f"{owner_prefix(owner_kind, owner_id)}uploads/{upload_id}/{safe_filename(filename)}"


def input_key(owner_kind: str, owner_id: UUID, input_id: UUID, sha256: str) -> str:
    """``stores/{store_id}/inputs/{input_id}/{sha256}``; users and workspaces alike: what a generation is made of, named
    by its digest. No URL to write there is ever signed, so it stays what was checked and priced.

    Raises ValueError for an unknown kind of owner, and for what is no SHA-256 in hexadecimal.
    """
    if not re.fullmatch(_SHA256, sha256, re.ASCII):
        raise ValueError(f"{sha256!r} is not a SHA-256 in hexadecimal.")
    return f"{owner_prefix(owner_kind, owner_id)}inputs/{input_id}/{sha256}"


def artefact_key(
    owner_kind: str, owner_id: UUID, generation_id: UUID, index: int, extension: str, *, attempt: str = "1"
) -> str:
    """``stores/{store_id}/generated/{generation_id}/{attempt}/{index}.{extension}``; users and workspaces alike.

    ``attempt`` is a number, with a hex tag where numbers may come twice: no attempt writes where another one does, so
    the loser of a race can neither replace nor remove what the winner has announced. Raises ValueError for an unknown
    kind of owner, an odd attempt or extension, or an index outside 0..999.
    """
    name = f"{attempt}/{index}.{extension}"
    if not re.fullmatch(f"{_ATTEMPT}/{_ARTEFACT}", name, re.ASCII):
        raise ValueError(f"An artefact is named attempt/index.extension, such as 1/0.png, not {name!r}.")
    return f"{owner_prefix(owner_kind, owner_id)}generated/{generation_id}/{name}"


def thumbnail_key(key: str) -> str:
    """Where the thumbnail of an artefact lies: beside it, as ``{index}.thumbnail.webp``."""
    return f"{key.rsplit('.', 1)[0]}.thumbnail.webp"


def preview_key(owner_kind: str, owner_id: UUID, generation_id: UUID, index: int, extension: str) -> str:
    """``stores/{store_id}/generated/{generation_id}/preview-{index}.{extension}``: a picture on its way to its end.

    All attempts write to the same key: a preview is shown while it is there, and promised to no one. Raises ValueError
    for an unknown kind of owner, an odd extension, or an index outside 0..9.
    """
    name = f"preview-{index}.{extension}"
    if not re.fullmatch(_PREVIEW, name, re.ASCII):
        raise ValueError(f"A preview is named preview-index.extension, such as preview-0.png, not {name!r}.")
    return f"{owner_prefix(owner_kind, owner_id)}generated/{generation_id}/{name}"


def owner_prefix(owner_kind: str, owner_id: UUID) -> str:
    """The folder under which everything of one owner lies, with its closing slash."""
    folder = OWNER_FOLDERS.get(owner_kind)
    if folder is None:
        raise ValueError(f"An owner is one of {', '.join(OWNER_FOLDERS)}, not {owner_kind!r}.")
    return f"{folder}/{owner_id}/"


def is_server_made(key: str) -> bool:
    """Whether the key has a shape made here; no such key holds ``..``, ``%``, ``//``, a backslash or a control
    character."""
    return _KEY.fullmatch(key) is not None


def generation_of(key: str) -> UUID | None:
    """The generation an artefact or a thumbnail was made for; None for an upload and for what was not made here."""
    match = _KEY.fullmatch(key)
    return UUID(match["generation"]) if match and match["generation"] else None


def is_input(key: str) -> bool:
    """Whether the key is one of ``input_key``."""
    match = _KEY.fullmatch(key)
    return match is not None and match["input"] is not None


def is_upload(key: str) -> bool:
    """Whether the key is one of ``upload_key``; a client may have written there."""
    match = _KEY.fullmatch(key)
    return match is not None and match["upload"] is not None


def belongs_to(key: str, owner_kind: str, owner_id: UUID) -> bool:
    """Whether the key was made here for this owner. Any other text, however encoded, belongs to no owner."""
    match = _KEY.fullmatch(key)
    return match is not None and f"{match['owner']}/" == owner_prefix(owner_kind, owner_id)


def safe_filename(filename: str) -> str:
    """The last path segment in plain ASCII, its extension kept, at most 100 characters; ``upload`` if nothing is
    left."""
    last = re.split(r"[/\\]", filename)[-1]
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    words = [re.sub(r"[^A-Za-z0-9_-]+", "-", word).strip("-") for word in plain.split(".")]
    *stem, extension = [word for word in words if word] or ["upload"]
    if not stem:
        return extension[:FILENAME_CHARS_MAX]
    extension = extension[:16]
    return f"{'.'.join(stem)[: FILENAME_CHARS_MAX - 1 - len(extension)].rstrip('.')}.{extension}"
