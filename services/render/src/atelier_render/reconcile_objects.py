"""Compares the artefacts on record with a listing of the object store, page by page, in the order of keys.

An answer of the store lists a thousand objects with size and time of change. Only those that it does not show as they
are on record are asked for one by one, so that a listing in another order costs requests and gives no false alarm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from atelier_messaging.database import Pool
from atelier_render.object_faults import Artefact, check_head, find_faults
from atelier_storage.errors import StorageUnavailable
from atelier_storage.objects import ListedObject, ObjectStore

LISTED_MAX = 1_000
"""Objects in an answer of the store, which gives no more at once."""
FOLDER = "/generated/"
TOGETHER = 20
"""So many artefacts more of an owner are worth a listing of their folder alone."""
REWRITTEN_AFTER = timedelta(minutes=5)
"""An object that changed so long after it was recorded is asked for: it is written before, and clocks differ."""
LISTINGS_MAX = 10
"""After so many a page ends, however few artefacts lie among what was listed."""
WRONG_MAX = 20
"""How many of those that are wrong end a page: each is compared with all services' records."""
_RECORDED = """
SELECT key, generation_id, size, sha256, created_at FROM artefacts
WHERE key COLLATE "C" > $1 ORDER BY key COLLATE "C" LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """``checked`` artefacts up to the key ``bound``, which is None at the end, and the generations of those whose
    objects are missing or altered."""

    bound: str | None
    checked: int
    wrong: list[UUID]


async def compare_objects(pool: Pool, objects: ObjectStore, *, after: str, limit: int) -> ObjectPage:
    """Compares the first ``limit`` artefacts past the key ``after``; fewer where many are wrong, as in a lost bucket,
    or where much else lies between them. Raises StorageUnavailable."""
    recorded = [Artefact(**dict(row)) for row in await pool.fetch(_RECORDED, after, limit)]
    covered, suspects = await _find_suspects(objects, recorded)
    wrong: set[UUID] = set()
    done = 0
    while done < len(suspects) and len(wrong) < WRONG_MAX:
        part = suspects[done : done + WRONG_MAX]
        wrong |= {artefact.generation_id for artefact, _ in await find_faults(pool, objects, part, check_head)}
        done += len(part)
    if done < len(suspects):
        covered = recorded.index(suspects[done - 1]) + 1
    is_last = covered == len(recorded) < limit
    return ObjectPage(None if is_last else recorded[covered - 1].key, covered, sorted(wrong))


async def _find_suspects(objects: ObjectStore, recorded: Sequence[Artefact]) -> tuple[int, list[Artefact]]:
    """How many of them the first listings cover, and those that a listing does not show as they are on record: all,
    where the store lists nothing, for lack of the bucket or of the right to."""
    suspects: list[Artefact] = []
    done = 0
    for _ in range(LISTINGS_MAX):
        if done == len(recorded):
            break
        folder = _folder_to_list(recorded, done)
        try:
            # Everything past this text begins with the first key, or comes after it.
            listed = await objects.list_page(folder, after=recorded[done].key[:-1], limit=LISTED_MAX)
        except StorageUnavailable:
            return len(recorded), [*suspects, *recorded[done:]]
        by_key = {entry.key: entry for entry in listed}
        end = max(by_key) if len(listed) == LISTED_MAX else None
        covered = [a for a in recorded[done:] if a.key.startswith(folder) and (end is None or a.key <= end)]
        # At least one, whatever is listed: its head is requested.
        covered = covered or [recorded[done]]
        suspects += [artefact for artefact in covered if not _is_as_recorded(artefact, by_key.get(artefact.key))]
        done += len(covered)
    return done, suspects


def _folder_to_list(recorded: Sequence[Artefact], first: int) -> str:
    """The folder of the first one's owner where many more lie there: the listing then leaves out what lies between the
    owners' artefacts, such as inputs. Else everything."""
    folder = recorded[first].key.partition(FOLDER)[0] + FOLDER
    last = first + TOGETHER
    return folder if last < len(recorded) and recorded[last].key.startswith(folder) else ""


def _is_as_recorded(artefact: Artefact, listed: ListedObject | None) -> bool:
    return (
        listed is not None
        and listed.size == artefact.size
        and listed.modified_at <= artefact.created_at + REWRITTEN_AFTER
    )
