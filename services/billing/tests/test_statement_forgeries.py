"""A statement fails as soon as one byte, one posting or one line is another, and where it contradicts itself."""

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from atelier_billing.proof.signing_keys import SigningKeys
from atelier_billing.statements import StatementWriter

from .receipts import new_keys
from .statements import (
    edit,
    fetch_closed_lines,
    find,
    owner_with,
    sign_again,
    use,
    verify,
    writer_on,
)
from .test_proofs import Ledger, ledger_on

pytestmark = pytest.mark.stack


@pytest.fixture
async def ledger(postgres: str) -> AsyncIterator[Ledger]:
    async with ledger_on(postgres) as opened:
        yield opened


@pytest.fixture
def keys() -> SigningKeys:
    return new_keys()


@pytest.fixture
def writer(ledger: Ledger, keys: SigningKeys) -> StatementWriter:
    return writer_on(ledger, keys)


@pytest.fixture
async def genuine(ledger: Ledger, writer: StatementWriter) -> list[bytes]:
    owner = await owner_with(ledger)
    for number in range(5):
        await use(ledger, owner, number)
    return await fetch_closed_lines(ledger, writer, owner)


async def test_one_altered_byte_anywhere_and_one_missing_line_are_found(
    genuine: list[bytes], keys: SigningKeys, tmp_path: Path
) -> None:
    chance, whole = random.Random("bytes"), b"".join(genuine)
    altered: list[list[bytes]] = []
    for place in sorted(chance.sample(range(len(whole)), 100)):
        other = chance.choice([byte for byte in b'09afz",}\n' if byte != whole[place]])
        altered.append([whole[:place] + bytes([other]) + whole[place + 1 :]])
    dropped = [genuine[:index] + genuine[index + 1 :] for index in range(len(genuine))]
    swapped = [*genuine[:1], genuine[2], genuine[1], *genuine[3:]]
    longer = [*genuine, genuine[1]]

    status, output = verify(tmp_path, keys, genuine, *altered, *dropped, swapped, longer)

    assert status == 1
    assert output.count(": GENUINE") == 1, output
    assert output.count(": NOT GENUINE") == len(altered) + len(dropped) + 2
    assert "the signature is missing" in output


async def test_a_statement_that_contradicts_itself_is_found_even_if_its_issuer_signed_it(
    genuine: list[bytes], keys: SigningKeys, tmp_path: Path
) -> None:
    captured, receipt = find(genuine, '"kind":"capture"'), find(genuine, '{"receipt"')
    used = find(genuine, "atelier.usage.v1")
    capture_line = json.loads(genuine[captured])
    wrong = {
        "the postings do not lead to the closing balance": edit(genuine, captured, credits=capture_line["credits"] + 1),
        "has ended and has no receipt": [*genuine[:receipt], *genuine[receipt + 1 :]],
        "its receipt has other postings": edit(genuine, captured, grant_id=str(uuid4())),
        "usage is not the sum of the postings": [*genuine[:used], *genuine[used + 1 :]],
        "a posting of another account": edit(genuine, captured, owner_id=str(uuid4())),
        "a posting of another period": edit(genuine, captured, posted_at="2101-01-01T00:00:00.000000Z"),
        "a posting twice, or out of order": [*genuine[: captured + 1], genuine[captured], *genuine[captured + 1 :]],
        "credits do not move in this way": edit(genuine, captured, credit="available"),
    }

    status, output = verify(tmp_path, keys, *(sign_again(keys, lines) for lines in wrong.values()))

    assert status == 1
    for said, line in zip(wrong, output.splitlines(), strict=False):
        assert said in line, output


async def test_another_installations_key_signs_nothing(genuine: list[bytes], tmp_path: Path) -> None:
    other = SigningKeys(Ed25519PrivateKey.generate())

    status, output = verify(tmp_path, other, genuine)

    assert (status, "is not in the key file" in output) == (1, True), output
