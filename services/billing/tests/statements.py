"""Helpers of the tests of statements: an account in use, its lines, and the verifying script in its own process."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from atelier_billing.proof.issuer import ReceiptIssuer
from atelier_billing.proof.signing_keys import SigningKeys
from atelier_billing.proof.statement_lines import StatementLines
from atelier_billing.statements import StatementWriter
from atelier_billing.usage import Period, UsageReader
from atelier_contracts import GrantCredit, Owner, Spender
from atelier_contracts.canonical_json import canonical_json

from .receipts import ORIGIN, SCRIPT, capture, refund, reserve
from .test_proofs import Ledger
from .test_usage import give_back

VERIFIER = SCRIPT.with_name("verify_statement.py")
ALWAYS = Period(datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def writer_on(ledger: Ledger, keys: SigningKeys) -> StatementWriter:
    pool = ledger.unit.pool
    return StatementWriter(pool, ReceiptIssuer(pool, keys, ORIGIN), keys, UsageReader(pool), ORIGIN)


async def owner_with(ledger: Ledger, credits: int = 1_000) -> Owner:
    owner = Owner(kind="store", id=uuid4())
    await ledger.handle(GrantCredit(grant_id=uuid4(), owner=owner, credits=credits, reason="test"))
    return owner


async def use(ledger: Ledger, owner: Owner, number: int) -> None:
    """One generation: charged in full, in part, returned, refunded, or left open."""
    id_, key = uuid4(), Spender(kind="key", id=uuid4())
    await ledger.handle(reserve(owner, id_, n=2).model_copy(update={"spenders": (key,)}))
    match number % 5:
        case 0:
            return
        case 1:
            await ledger.handle(refund(owner, id_))
        case share:
            await ledger.handle(capture(owner, id_, delivered=1 + share % 2))
            if share == 2:
                await give_back(ledger, id_, 1)


async def lines_of(writer: StatementWriter, owner: Owner, period: Period = ALWAYS) -> list[bytes]:
    opened = await writer.open(owner, period)
    assert opened is not None
    return b"".join([chunk async for chunk in writer.write(opened)]).splitlines(keepends=True)


async def fetch_closed_lines(ledger: Ledger, writer: StatementWriter, owner: Owner) -> list[bytes]:
    """The statement once it is closed past the last posting."""
    last = await ledger.unit.pool.fetchval("SELECT max(posted_at) FROM postings")
    for _ in range(300):
        opened = await writer.open(owner, ALWAYS)
        if opened and opened.period.until > last:
            return await lines_of(writer, owner)
        await asyncio.sleep(0.05)
    raise AssertionError("the statement was never closed past the last posting")


def verify(folder: Path, keys: SigningKeys, *files: Sequence[bytes]) -> tuple[int, str]:
    """Exit status and output of the script, in a process that knows nothing of this installation."""
    (folder / "jwks.json").write_text(json.dumps(keys.jwks()))
    names = [f"statement-{number}.jsonl" for number in range(len(files))]
    for name, lines in zip(names, files, strict=True):
        (folder / name).write_bytes(b"".join(lines))
    command = [sys.executable, "-E", "-s", "-B", str(VERIFIER), "--keys", "jwks.json", *names]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def sign_again(keys: SigningKeys, lines: Sequence[bytes]) -> list[bytes]:
    """As the holder of the key would, over lines that were altered."""
    *body, end = lines
    again = StatementLines(keys)
    body = [again.add(line.rstrip(b"\n")) for line in body]
    closing = json.loads(end)["statement"]["closing"]
    return [*body, again.sign(closing)]


def edit(lines: Sequence[bytes], index: int, **changes: Any) -> list[bytes]:
    value = json.loads(lines[index]) | changes
    return [*lines[:index], canonical_json(value) + b"\n", *lines[index + 1 :]]


def find(lines: Sequence[bytes], what: str) -> int:
    return next(index for index, line in enumerate(lines) if what.encode() in line)


def raise_balances(lines: Sequence[bytes]) -> list[bytes]:
    """The statement with five credits more that were there before, and are there after it."""

    def more(balances: dict[str, int]) -> dict[str, int]:
        return balances | {name: balances[name] + 5 for name in ("available", "granted")}

    opening, end = json.loads(lines[0])["opening"], json.loads(lines[-1])["statement"]
    last = canonical_json({"statement": {"closing": more(end["closing"])}})
    return [*edit(lines, 0, opening=more(opening))[:-1], last]
