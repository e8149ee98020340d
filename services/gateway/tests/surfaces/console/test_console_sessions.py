"""What a session of the console holds, and when it ends."""

import base64
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from atelier_gateway.identity.operator_store import StoredOperator
from atelier_gateway.surfaces.console.login import local_or_home
from atelier_gateway.surfaces.console.sessions import HOURS, SessionSigner, mark_of

NOW = datetime(2026, 11, 30, 3, tzinfo=UTC)
ANA = StoredOperator(UUID(int=7), "Ana", "viewer", bytes(range(32)))
SIGNER = SessionSigner("a pepper")


def test_a_session_names_its_operator_until_its_time_is_over() -> None:
    cookie = SIGNER.open(ANA, NOW)

    session = SIGNER.read(cookie, NOW + timedelta(hours=HOURS, seconds=-1))

    assert session is not None
    assert (session.operator_id, session.mark) == (ANA.id, mark_of(ANA))
    assert SIGNER.read(cookie, NOW + timedelta(hours=HOURS)) is None


def test_a_cookie_that_is_altered_or_signed_elsewhere_is_no_session() -> None:
    text, _, signature = SIGNER.open(ANA, NOW).partition(".")
    body = json.loads(base64.urlsafe_b64decode(text + "=="))
    other = base64.urlsafe_b64encode(json.dumps(body | {"operator": str(UUID(int=8))}).encode()).decode().rstrip("=")
    forged = [f"{other}.{signature}", f"{text}.{signature[:-2]}AA", f"{text}.", text, "", ".", "é.é", "x" * 5_000]
    forged.append(SessionSigner("another pepper").open(ANA, NOW))

    assert [SIGNER.read(cookie, NOW) for cookie in forged] == [None] * len(forged)


def test_the_cookie_holds_nothing_that_opens_the_api() -> None:
    text = SIGNER.open(ANA, NOW).partition(".")[0]

    assert ANA.digest.hex() not in base64.urlsafe_b64decode(text + "==").decode()
    assert set(json.loads(base64.urlsafe_b64decode(text + "=="))) == {"operator", "mark", "ends_at", "nonce"}


def test_a_form_belongs_to_one_session() -> None:
    mine, other = (SIGNER.read(SIGNER.open(ANA, NOW), NOW) for _ in range(2))
    assert mine is not None and other is not None

    assert SIGNER.is_form_token(mine, SIGNER.form_token(mine))
    assert not SIGNER.is_form_token(other, SIGNER.form_token(mine))
    assert not SIGNER.is_form_token(mine, "") and not SIGNER.is_form_token(mine, "é")


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "//evil.example",
        "/console.evil",
        "/console/..//evil\\",
        "/v1/admin/acts",
        "javascript:1",
    ],
)
def test_a_form_leads_to_pages_of_the_console_only(address: str) -> None:
    assert local_or_home(address) == "/console"
    assert local_or_home("/console/generations?state=open&limit=5") == "/console/generations?state=open&limit=5"
