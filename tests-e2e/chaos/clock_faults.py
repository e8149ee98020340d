"""The clocks of the services jump an hour; those of the database, the broker, the object store and the clients do not.

By libfaketime, which is loaded into each service and reads a file once a second. It changes no monotonic clock: an
interval is as long as it was.
"""

import asyncio
from pathlib import Path

from chaos.schedule import NotDone
from chaos.site import Site

LIBRARIES = "*/faketime/libfaketimeMT.so.1"
FILE = "clock"
SHARED_MEMORY = Path("/dev/shm")
READ_EVERY_S = 1.0
JUMP_S = 3600
WRONG_S_MAX = 6.0


def settings(folder: Path) -> dict[str, str]:
    """The environment of services whose clocks can jump by a file in this folder; empty where the library is not
    installed."""
    found = next(Path("/usr/lib").glob(LIBRARIES), None)
    if found is None:
        return {}
    (folder / FILE).write_text("+0\n")
    return {
        "LD_PRELOAD": str(found),
        "FAKETIME_TIMESTAMP_FILE": str(folder / FILE),
        "FAKETIME_CACHE_DURATION": f"{READ_EVERY_S:g}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def remove_leftovers() -> None:
    """Removes the shared memory of processes that were killed: the library leaves it, two files for each."""
    for file in SHARED_MEMORY.glob("*faketime_s*_*"):
        pid = file.name.rpartition("_")[2]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            file.unlink(missing_ok=True)


async def put_ahead(site: Site) -> str:
    """An hour into the future, and back."""
    return await _jump(site, JUMP_S)


async def put_behind(site: Site) -> str:
    """An hour into the past, and back."""
    return await _jump(site, -JUMP_S)


async def _jump(site: Site, by_s: int) -> str:
    file, seconds = site.failpoints / FILE, site.rng.uniform(1.0, WRONG_S_MAX)
    if not file.exists():
        raise NotDone("libfaketime is not installed")
    file.write_text(f"{by_s:+d}\n")
    try:
        await asyncio.sleep(READ_EVERY_S + seconds)
    finally:
        file.write_text("+0\n")
    await asyncio.sleep(READ_EVERY_S)
    return f"the services' clocks jumped by {by_s:+d} s for {seconds:.1f} s, and back"
