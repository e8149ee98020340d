"""Binding quotes: the signed price holds for its owner, its work and its minutes, and for nothing else."""

import random
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from atelier_billing import ledger
from atelier_billing.books import Books
from atelier_billing.handlers import handle_commands
from atelier_billing.proof import quote_signatures
from atelier_billing.proof.signing_keys import SigningKeys, encode
from atelier_billing.quotes import GOOD_FOR, LATEST, Quote
from atelier_contracts import (
    CreditDeclined,
    CreditDeducted,
    GrantCredit,
    Message,
    Owner,
    RequestRecord,
    ReserveCredit,
    Work,
    wrap,
)
from atelier_messaging import Delivery, UnitOfWork
from atelier_pricing import Price, book_sha256

from .receipts import new_keys

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OWNER = Owner(kind="store", id=UUID(int=1))
WORK = Work(kind="try_on", n=2)
KEYS = new_keys()
CHANGES = 500


def quote(unit_credits: int = 1, book: str = "v2", **changes: Any) -> Quote:
    price = Price(unit_credits, WORK.n, book)
    known: dict[str, Any] = {"id": UUID(int=5), "owner": OWNER, "work": WORK, "price": price, "issued_at": NOW}
    return Quote(**known | {"expires_at": NOW + GOOD_FOR} | changes)


def reserve(text: str | None, *, at: datetime | None = NOW, owner: Owner = OWNER, work: Work = WORK) -> ReserveCredit:
    record = RequestRecord(surface="native", sha256="ab" * 32, requested_at=at) if at else None
    return ReserveCredit(generation_id=UUID(int=9), owner=owner, work=work, quote=text, record=record)


def decide(command: ReserveCredit, *, now: datetime = NOW, keys: SigningKeys = KEYS) -> CreditDeducted | CreditDeclined:
    """Billing's decision, on books on which everybody has 100 credits."""
    books = Books(now=now)
    ledger.apply(books, GrantCredit(grant_id=uuid4(), owner=command.owner, credits=100, reason="test"))
    books.quotes = {command.generation_id: quote_signatures.read(keys.public, command.quote or "")}
    return ledger.reserve(books, command)


def refusal(command: ReserveCredit, **more: Any) -> str | None:
    event = decide(command, **more)
    assert isinstance(event, CreditDeclined) and event.reason == "quote_refused", event
    return event.quote_refusal


@pytest.fixture
def dearer_book(monkeypatch: pytest.MonkeyPatch) -> None:
    """Since the quote the price has risen from 1 to 5."""
    monkeypatch.setattr("atelier_pricing.book.TRY_ON_CREDITS", 5)


def test_a_quote_verifies_with_any_jose_library_and_the_published_key() -> None:
    text = quote_signatures.sign(KEYS, quote())
    key = Ed25519PublicKey.from_public_bytes(KEYS.current.raw)

    claims = jwt.decode(text, key, algorithms=["EdDSA"], options={"verify_exp": False, "verify_iat": False})

    assert jwt.get_unverified_header(text) == {"alg": "EdDSA", "kid": KEYS.current.id, "typ": "atelier-quote+jws"}
    assert claims["owner"] == {"kind": "store", "id": str(OWNER.id)}
    assert (claims["unit_credits"], claims["units"], claims["credits"]) == (1, 2, 2)
    assert claims["price_book"] == {"version": "v2", "sha256": book_sha256("v2")}
    assert claims["exp"] - claims["iat"] == 15 * 60
    assert quote_signatures.read(KEYS.public, text) == quote()


@pytest.mark.usefixtures("dearer_book")
def test_the_quoted_price_holds_although_the_book_has_become_dearer() -> None:
    event = decide(reserve(quote_signatures.sign(KEYS, quote(book="v1"))))

    assert event == CreditDeducted(generation_id=UUID(int=9), owner=OWNER, credits=2, price_book="v1")
    without = decide(reserve(None))
    assert isinstance(without, CreditDeducted) and without.credits == 10


def test_where_the_book_has_become_cheaper_todays_price_is_charged() -> None:
    event = decide(reserve(quote_signatures.sign(KEYS, quote(unit_credits=7, book="v1"))))

    assert isinstance(event, CreditDeducted) and (event.credits, event.price_book) == (2, "v3")


def test_a_quote_for_another_owner_or_another_request_is_refused() -> None:
    text = quote_signatures.sign(KEYS, quote())

    assert refusal(reserve(text, owner=Owner(kind="store", id=uuid4()))) == "other_owner"
    assert refusal(reserve(text, owner=Owner(kind="user", id=OWNER.id))) == "other_owner"
    assert refusal(reserve(text, work=Work(kind="try_on", n=3))) == "other_request"
    assert refusal(reserve(text, work=Work(kind="image", n=2))) == "other_request"


def test_a_quote_holds_for_requests_that_came_before_its_end_and_no_others() -> None:
    text, end = quote_signatures.sign(KEYS, quote()), NOW + GOOD_FOR
    just_before, later = end - timedelta(microseconds=1), end + timedelta(hours=2)

    assert isinstance(decide(reserve(text, at=just_before), now=later), CreditDeducted)
    assert refusal(reserve(text, at=end), now=end) == "expired"
    assert refusal(reserve(text, at=just_before), now=end + LATEST) == "expired"
    assert refusal(reserve(text, at=None), now=end) == "expired"


def test_an_altered_quote_is_refused_wherever_it_was_altered() -> None:
    text, rng = quote_signatures.sign(KEYS, quote()), random.Random(7)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

    for _ in range(CHANGES):
        # The last letter of the signature has bits that mean nothing.
        place = rng.randrange(len(text) - 1)
        letter = rng.choice([letter for letter in letters if letter != text[place]])
        assert refusal(reserve(text[:place] + letter + text[place + 1 :])) == "altered", place


@pytest.mark.parametrize(
    "text",
    ["", "a.b.c", "..", "é.é.é", "W10.W10.W10", "e30.e30.e30", "[" * 1_900],
    ids=("empty", "letters", "dots", "accents", "lists", "objects", "brackets"),
)
def test_what_is_no_quote_is_refused_and_harms_nothing(text: str) -> None:
    assert quote_signatures.read(KEYS.public, text) is None


def test_nested_brackets_in_the_header_are_no_quote() -> None:
    deep = encode(b"[" * 1_400)

    assert quote_signatures.read(KEYS.public, f"{deep}.{deep}.{deep}") is None


def test_a_quote_of_other_keys_or_of_another_algorithm_is_refused() -> None:
    strangers = new_keys()
    unsigned = jwt.encode({"credits": 0}, key="", algorithm="none", headers={"kid": KEYS.current.id})

    assert refusal(reserve(quote_signatures.sign(strangers, quote()))) == "altered"
    assert refusal(reserve(unsigned)) == "altered"


def test_a_quote_outlives_the_rotation_of_the_key_that_signed_it() -> None:
    text, fresh = quote_signatures.sign(KEYS, quote()), new_keys()
    rotated = SigningKeys(fresh._private, [Ed25519PublicKey.from_public_bytes(KEYS.current.raw)])

    assert isinstance(decide(reserve(text), keys=rotated), CreditDeducted)


async def _handle(unit: UnitOfWork, *commands: Message, **more: Any) -> list[Message]:
    deliveries = [Delivery(wrap(command, source="test")) for command in commands]
    async with unit.once("billing.commands", deliveries, dispatch=False) as tx:
        await handle_commands(tx, **more)
    return [envelope.message for envelope in tx.emitted]


@pytest.mark.stack
@pytest.mark.usefixtures("dearer_book")
async def test_the_hold_has_the_quoted_price_and_its_book(unit: UnitOfWork) -> None:
    owner, generation = Owner(kind="store", id=uuid4()), uuid4()
    await _handle(unit, GrantCredit(grant_id=uuid4(), owner=owner, credits=4, reason="test"))
    now = datetime.now(UTC)
    text = quote_signatures.sign(KEYS, quote(book="v1", owner=owner, issued_at=now, expires_at=now + GOOD_FOR))
    command = reserve(text, at=now, owner=owner).model_copy(update={"generation_id": generation})

    (event,) = await _handle(unit, command, read_quote=partial(quote_signatures.read, KEYS.public))

    assert isinstance(event, CreditDeducted), event
    hold = "SELECT unit_credits, units, price_book FROM holds WHERE generation_id = $1"
    assert tuple(await unit.pool.fetchrow(hold, generation) or ()) == (1, 2, "v1")
