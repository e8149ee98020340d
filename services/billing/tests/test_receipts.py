"""The receipts' promises, on real Postgres: one for each end, true to the books, and verified by the script alone."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from atelier_billing.correction_handlers import handle_corrections
from atelier_billing.proof.internal_api import signed_json
from atelier_billing.proof.issuer import ReceiptIssuer
from atelier_billing.proof.signing_keys import SigningKeys
from atelier_contracts import Owner, RefundCredit, ReturnCredit, wrap
from atelier_messaging import Delivery, UnitOfWork
from atelier_messaging.database import Pool

from .receipts import ORIGIN, PICTURE, capture, handle, new_keys, owner_with, refund, reserve, run_script

pytestmark = pytest.mark.stack


@pytest.fixture
def keys() -> SigningKeys:
    return new_keys()


@pytest.fixture
def issuer(unit: UnitOfWork, keys: SigningKeys) -> ReceiptIssuer:
    return ReceiptIssuer(unit.pool, keys, ORIGIN)


async def receipt_of(issuer: ReceiptIssuer, generation: UUID) -> dict[str, Any]:
    found = await issuer.find(generation)
    assert found is not None
    receipt: dict[str, Any] = json.loads(found.body)
    return receipt


async def test_a_delivered_picture_has_a_receipt_with_its_request_its_outputs_and_its_postings(
    unit: UnitOfWork, issuer: ReceiptIssuer
) -> None:
    owner, generation = await owner_with(unit, 100), uuid4()
    await handle(unit, reserve(owner, generation, n=3))
    await handle(unit, capture(owner, generation, delivered=2))

    receipt = await receipt_of(issuer, generation)

    assert receipt["owner"] == {"kind": "store", "id": str(owner.id)}
    assert (receipt["outcome"], receipt["kind"], receipt["surface"]) == ("succeeded", "image", "native")
    assert receipt["request_sha256"] == "ab" * 32
    assert receipt["requested_at"] == "2026-01-01T12:00:00.000000Z"
    assert receipt["outputs"] == [{"sha256": PICTURE.sha256, "media_type": "image/png", "bytes": 48_213}] * 2
    assert receipt["credits"] == {"reserved": 15, "captured": 10, "refunded": 5, "returned": 0}
    assert [(posting["kind"], posting["credits"]) for posting in receipt["postings"]] == [
        ("reserve", 15),
        ("capture", 10),
        ("refund", 5),
    ]
    assert set(receipt["price_book"]) == {"version", "sha256"}


@pytest.mark.parametrize(("outcome", "code"), [("failed", "provider_failed"), ("expired", None), ("cancelled", None)])
async def test_a_free_end_has_a_receipt_too(
    unit: UnitOfWork, issuer: ReceiptIssuer, outcome: Any, code: str | None
) -> None:
    owner, generation = await owner_with(unit, 100), uuid4()
    await handle(unit, reserve(owner, generation), refund(owner, generation, outcome, code))

    receipt = await receipt_of(issuer, generation)

    assert (receipt["outcome"], receipt["code"], receipt["outputs"]) == (outcome, code, [])
    assert receipt["credits"] == {"reserved": 5, "captured": 0, "refunded": 5, "returned": 0}


async def test_a_refusal_has_a_receipt_of_nothing(unit: UnitOfWork, issuer: ReceiptIssuer) -> None:
    owner, generation = await owner_with(unit, 1), uuid4()
    await handle(unit, reserve(owner, generation))

    receipt = await receipt_of(issuer, generation)

    assert (receipt["outcome"], receipt["code"]) == ("rejected", "insufficient_credits")
    assert (receipt["postings"], receipt["credits"]["reserved"]) == ([], 0)


async def test_a_generation_that_has_not_ended_has_no_receipt(unit: UnitOfWork, issuer: ReceiptIssuer) -> None:
    owner, generation = await owner_with(unit, 100), uuid4()
    await handle(unit, reserve(owner, generation))

    assert await issuer.find(generation) is None


async def test_a_refund_before_any_reservation_has_a_receipt_where_its_owner_is_known(
    unit: UnitOfWork, issuer: ReceiptIssuer
) -> None:
    owner, known, unknown = Owner(kind="user", id=uuid4()), uuid4(), uuid4()
    await handle(unit, refund(owner, known, "cancelled"), RefundCredit(generation_id=unknown))

    assert (await receipt_of(issuer, known))["price_book"] is None
    assert await issuer.find(unknown) is None


async def test_a_repeated_settlement_and_a_late_reservation_make_no_second_receipt(
    unit: UnitOfWork, issuer: ReceiptIssuer
) -> None:
    owner, generation = await owner_with(unit, 100), uuid4()
    await handle(unit, reserve(owner, generation), refund(owner, generation))
    first = await receipt_of(issuer, generation)

    await handle(unit, refund(owner, generation), reserve(owner, generation))

    assert await receipt_of(issuer, generation) == first


async def test_a_reservation_that_was_refused_and_sent_again_ends_with_the_receipt_that_knows_both(
    unit: UnitOfWork, issuer: ReceiptIssuer
) -> None:
    owner, generation = await owner_with(unit, 1), uuid4()
    await handle(unit, reserve(owner, generation))
    first = await receipt_of(issuer, generation)

    await handle(unit, refund(owner, generation, "rejected", "insufficient_credits"))
    last = await receipt_of(issuer, generation)

    assert (first["number"], last["number"], last["outcome"]) == (1, 2, "rejected")


async def test_a_charge_that_is_returned_has_another_receipt_which_differs_in_the_credits_alone(
    unit: UnitOfWork, issuer: ReceiptIssuer
) -> None:
    owner, generation = await owner_with(unit, 100), uuid4()
    await handle(unit, reserve(owner, generation))
    await handle(unit, capture(owner, generation))
    first = await receipt_of(issuer, generation)
    correction = ReturnCredit(correction_id=uuid4(), generation_id=generation, credits=2, reason="a broken picture")
    async with unit.once("billing.corrections", [Delivery(wrap(correction, source="test"))], dispatch=False) as tx:
        await handle_corrections(tx)

    second = await receipt_of(issuer, generation)

    assert second["credits"] == {"reserved": 5, "captured": 5, "refunded": 0, "returned": 2}
    assert {name for name in first if first[name] != second[name]} == {"id", "number", "credits", "postings"}


async def test_a_return_before_the_first_receipt_is_issued_keeps_what_the_end_said(
    unit: UnitOfWork, issuer: ReceiptIssuer
) -> None:
    owner, generation = await owner_with(unit, 100), uuid4()
    await handle(unit, reserve(owner, generation), capture(owner, generation))
    ended_at = await unit.pool.fetchval("SELECT ended_at FROM unissued_receipts WHERE generation_id = $1", generation)
    correction = ReturnCredit(correction_id=uuid4(), generation_id=generation, credits=2, reason="a broken picture")
    async with unit.once("billing.corrections", [Delivery(wrap(correction, source="test"))], dispatch=False) as tx:
        await handle_corrections(tx)

    receipt = await receipt_of(issuer, generation)

    assert (receipt["number"], receipt["outcome"], receipt["kind"]) == (1, "succeeded", "image")
    assert [output["sha256"] for output in receipt["outputs"]] == [PICTURE.sha256]
    assert receipt["credits"] == {"reserved": 5, "captured": 5, "refunded": 0, "returned": 2}
    assert datetime.fromisoformat(receipt["ended_at"]) == ended_at


async def test_two_processes_issue_one_receipt(unit: UnitOfWork, keys: SigningKeys, issuer: ReceiptIssuer) -> None:
    owner, generation = await owner_with(unit, 100), uuid4()
    await handle(unit, reserve(owner, generation), capture(owner, generation))
    other = ReceiptIssuer(unit.pool, keys, ORIGIN)

    found = await asyncio.gather(*(each.find(generation) for each in (issuer, other) * 5))

    assert len({receipt.id for receipt in found if receipt}) == 1


async def test_a_settlement_without_facts_has_what_the_books_know(unit: UnitOfWork, issuer: ReceiptIssuer) -> None:
    owner, generation = await owner_with(unit, 100), uuid4()
    await handle(unit, reserve(owner, generation), RefundCredit(generation_id=generation))

    receipt = await receipt_of(issuer, generation)

    assert (receipt["owner"]["id"], receipt["outcome"], receipt["kind"]) == (str(owner.id), "cancelled", None)


async def test_an_issued_receipt_cannot_be_changed_or_removed(
    unit: UnitOfWork, issuer: ReceiptIssuer, owner_pool: Pool
) -> None:
    owner, generation = await owner_with(unit, 100), uuid4()
    await handle(unit, reserve(owner, generation), capture(owner, generation))
    await issuer.find(generation)

    for statement in ("UPDATE receipts SET body = ''", "DELETE FROM receipts", "TRUNCATE receipts"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await unit.pool.execute(statement)
        with pytest.raises(asyncpg.RaiseError, match="final"):
            await owner_pool.execute(statement)


async def test_the_script_verifies_what_was_issued_also_after_the_key_was_rotated(
    unit: UnitOfWork, tmp_path: Path
) -> None:
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    owner, first, second = await owner_with(unit, 100), uuid4(), uuid4()
    await handle(unit, reserve(owner, first), capture(owner, first), reserve(owner, second), refund(owner, second))
    before = await ReceiptIssuer(unit.pool, SigningKeys(old), ORIGIN).find(first)
    rotated = SigningKeys(new, [old.public_key()])
    after = await ReceiptIssuer(unit.pool, rotated, ORIGIN).find(second)
    assert before and after

    status, output = run_script(tmp_path, rotated.jwks(), [signed_json(before), signed_json(after)])
    forgotten, words = run_script(tmp_path, SigningKeys(new).jwks(), [signed_json(before)])

    assert (before.key_id != after.key_id, status, output.count(": GENUINE")) == (True, 0, 2)
    assert forgotten == 1
    assert "is not in the key file" in words
