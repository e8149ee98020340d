"""The verifying script's promises: it passes what is genuine, names what is not, and needs nothing but itself."""

import copy
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from atelier_billing.books import HoldState
from atelier_billing.proof.receipts import Ending, LedgerPosting, SettledHold, receipt_of
from atelier_billing.proof.signing_keys import SigningKeys, encode
from atelier_contracts import Owner
from atelier_contracts.canonical_json import canonical_json, canonical_sha256

from .receipts import ORIGIN, PICTURE, SCRIPT, end, new_keys, run_script

OWNER = Owner(kind="store", id=UUID(int=7))
AT = datetime(2026, 1, 1, 12, 0, 1, 250, tzinfo=UTC)
DOCUMENT = {"salt": "00" * 16, "surface": "native", "kind": "image", "spec": {"prompt": "zażółć 🎨", "strength": 0.8}}


@pytest.fixture(scope="module")
def keys() -> SigningKeys:
    return new_keys()


def sign(keys: SigningKeys, number: int = 1) -> dict[str, Any]:
    generation = UUID(int=number)

    def posting(kind: str, debit: str, credit: str, credits: int) -> LedgerPosting:
        id_ = UUID(int=number * 10 + credits)
        return LedgerPosting(id_, kind, OWNER.id, UUID(int=3), generation, debit, credit, credits, AT)

    moves = [posting("reserve", "available", "held", 5), posting("capture", "held", "captured", 5)]
    facts = end(OWNER, "succeeded", outputs=(PICTURE,))
    assert facts.request is not None
    record = facts.request.model_copy(update={"sha256": canonical_sha256(DOCUMENT)})
    hold = SettledHold(OWNER.id, "store", HoldState.CAPTURED, "v2", False)
    ending = Ending(generation, 1, AT, facts.model_copy(update={"request": record}), hold, moves)
    receipt = receipt_of(ending, id=UUID(int=number), key_id=keys.current.id, log=ORIGIN)
    signature = {"alg": "EdDSA", "key_id": keys.current.id, "value": encode(keys.sign(canonical_json(receipt)))}
    return {"request": DOCUMENT, "signed": {"receipt": receipt, "signature": signature}}


def test_a_genuine_receipt_passes_and_the_script_says_what_it_did_not_check(keys: SigningKeys, tmp_path: Path) -> None:
    status, output = run_script(tmp_path, keys.jwks(), [sign(keys), sign(keys)["signed"]])

    assert status == 0
    assert "5 credits reserved = 5 charged + 0 refunded; 0 returned" in output
    assert output.count("checked: the request beside it is the one that was made") == 1
    assert output.count("not checked: 1 of 1 outputs") == 2
    assert "not checked: what was asked" in output
    assert "2 of 2 receipts are genuine" in output


def test_a_delivered_file_is_compared_with_the_receipt(keys: SigningKeys, tmp_path: Path) -> None:
    (tmp_path / "other.png").write_bytes(b"another picture")

    status, output = run_script(tmp_path, keys.jwks(), [sign(keys)], "--output", "other.png")

    assert status == 1
    assert "other.png is not one of the outputs that were delivered" in output


def test_another_request_beside_a_genuine_receipt_is_named(keys: SigningKeys, tmp_path: Path) -> None:
    status, output = run_script(tmp_path, keys.jwks(), [sign(keys) | {"request": DOCUMENT | {"kind": "try_on"}}])

    assert status == 1
    assert "the request beside it is not the one that was made" in output


def test_each_of_a_thousand_altered_receipts_fails(keys: SigningKeys, tmp_path: Path) -> None:
    chance = random.Random(20260101)
    original = sign(keys)["signed"]
    altered = [alter(chance, original) for _ in range(1_000)]

    status, output = run_script(tmp_path, keys.jwks(), altered)

    assert status == 1
    assert output.count("NOT GENUINE") == 1_000
    assert "0 of 1000 receipts are genuine" in output


@pytest.mark.stack
def test_ten_thousand_receipts_are_verified_in_less_than_ten_seconds_of_processor_time(
    keys: SigningKeys, tmp_path: Path
) -> None:
    before = _child_seconds()

    status, output = run_script(tmp_path, keys.jwks(), [sign(keys, number) for number in range(1, 10_001)])

    assert (status, output.splitlines()[-1]) == (0, "10000 of 10000 receipts are genuine")
    assert _child_seconds() - before < 10


def test_the_script_is_one_short_file_that_imports_one_package_beside_the_standard_library() -> None:
    source = SCRIPT.read_text()
    imports = {line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}

    assert len(source.splitlines()) < 200
    assert imports == {"argparse", "base64", "hashlib", "json", "sys", "pathlib", "cryptography"}


@pytest.mark.parametrize("text", ["", "{", '{"receipt": 1, "receipt": 2}', "[1]", "{}"])
def test_what_is_no_receipt_ends_with_an_error_and_no_trace(keys: SigningKeys, tmp_path: Path, text: str) -> None:
    run_script(tmp_path, keys.jwks(), [])
    (tmp_path / "receipts.json").write_text(text)

    status, output = run_script(tmp_path, keys.jwks(), [], "receipts.json")

    assert status in (1, 2)
    assert "Traceback" not in output


def alter(chance: random.Random, original: dict[str, Any]) -> dict[str, Any]:
    """One leaf of the signed receipt, or one name, is another now."""
    while True:
        changed = copy.deepcopy(original)
        holder, name = chance.choice(list(_leaves(changed)))
        holder[name] = _other(chance, holder[name])
        if isinstance(holder, dict) and chance.random() < 0.1:
            holder[name + "_"] = holder.pop(name)
        if json.dumps(changed) != json.dumps(original):
            return changed


def _leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, dict | list) and item:
            yield from _leaves(item)
        else:
            yield value, name


def _other(chance: random.Random, value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + chance.choice([-1, 1, 10])
        case str() if value:
            at = chance.randrange(len(value))
            return value[:at] + chance.choice("0123456789abcdefXYZ-_") + value[at + 1 :]
    return "something"


def _child_seconds() -> float:
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
