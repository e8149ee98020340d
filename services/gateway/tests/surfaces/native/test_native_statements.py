"""Statements as their owner gets them: billing's lines byte by byte, or a page that escapes all that it shows."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from atelier_contracts import Owner
from atelier_gateway.surfaces.native.statements import STATEMENTS_OF_OWNER_MAX, StatementsUnderWay
from atelier_gateway.web.problems import Problem

from ...support.connection import Connection
from ...support.workspace import team_of
from ...support.world import World

pytestmark = pytest.mark.stack
PATH = "/v1/statements/2026-11"
EVIL = "<script>alert('1')</script>&\""
BEFORE = {"available": 10, "held": 0, "captured": 0, "expired": 0, "granted": 10}
AFTER = {"available": 7, "held": 0, "captured": 3, "expired": 0, "granted": 10}
ID = "01a1fc2b-e840-76c4-840b-55c1df4115f6"


def line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def posting(kind: str, debit: str, credit: str) -> dict[str, Any]:
    common = {"id": ID, "generation_id": ID, "grant_id": ID, "credits": 3, "posted_at": "2026-11-02T10:00:00.000000Z"}
    return common | {"type": "atelier.posting.v1", "kind": kind, "debit": debit, "credit": credit}


def lines_of(owner: UUID, **usage: Any) -> list[bytes]:
    period = {"from": "2026-11-01T00:00:00.000000Z", "to": "2026-11-30T10:00:00.000000Z", "complete": False}
    head = {"type": "atelier.statement.v1", "owner": {"kind": "user", "id": str(owner)}, "opening": BEFORE}
    receipt = {
        "number": 1,
        "generation_id": ID,
        "kind": "image",
        "outcome": "succeeded",
        "code": None,
        "provider": "local",
        "model": EVIL,
        "credits": {"captured": 3, "refunded": 0, "returned": 0},
        "outputs": [{"media_type": "image/png", "sha256": "ab" * 32}],
    }
    amounts = dict.fromkeys(("generations", "reserved", "captured", "refunded", "returned", "charged"), 3)
    used = {"type": "atelier.usage.v1", "day": "2026-11-02", "key": None, "kind": "image", "model": EVIL} | amounts
    signature = {"alg": "EdDSA", "key_id": "k", "value": "v"}
    end = {"type": "atelier.statement_end.v1", "closing": AFTER, "lines": 5, "sha256": "cd" * 32, "key_id": "k"}
    return [
        line(head | period | {"issued_at": "2026-11-30T10:00:01.000000Z", "log": "l"}),
        line(posting("reserve", "available", "held")) + line(posting("capture", "held", "captured")),
        line({"receipt": receipt, "signature": signature}),
        line(used | usage),
        line({"statement": end, "signature": signature}),
    ]


async def test_the_lines_are_billings_byte_by_byte_and_of_the_month_in_utc(world: World) -> None:
    user, headers = await world.user()
    lines = world.neighbours.records[f"accounts/user/{user}/statement"] = lines_of(user)

    answer = await world.client.get(PATH, headers=headers)
    december = await world.client.get("/v1/statements/2026-12", headers=headers)

    assert answer.status_code == december.status_code == 200
    assert answer.content == b"".join(lines)
    assert answer.headers["content-type"] == "application/jsonl"
    assert answer.headers["content-disposition"] == 'attachment; filename="statement-2026-11.jsonl"'
    months = [datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]
    assert [asked[:2] for asked in world.neighbours.usage_asked] == [tuple(months[:2]), tuple(months[1:])]


@pytest.mark.parametrize(("query", "accept"), [("?format=html", "*/*"), ("", "text/html,application/xhtml+xml")])
async def test_the_page_shows_each_posting_with_what_is_left_and_escapes_everything(
    world: World, query: str, accept: str
) -> None:
    user, headers = await world.user()
    whole = b"".join(lines_of(user))
    pieces = [whole[:100], whole[100:777], whole[777:]]  # lines are not what arrives at once
    world.neighbours.records[f"accounts/user/{user}/statement"] = pieces

    answer = await world.client.get(PATH + query, headers=headers | {"Accept": accept})

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = answer.text
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&#34;") == 2
    rows = [row for row in page.splitlines() if "2026-11-02 10:00:00" in row]
    assert [(row.count(">3<"), row.count(">7<")) for row in rows] == [(1, 1), (1, 1)]
    assert "the month is not over" in page
    assert "cd" * 32 in page
    assert page.rstrip().endswith("</html>")
    for opened in ("table", "tbody", "dl", "main", "body"):
        assert page.count(f"<{opened}>") == page.count(f"</{opened}>"), opened
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; style-src 'sha256-" in policy
    assert "src=" not in page and "href=" not in page


async def test_a_page_without_usage_is_whole(world: World) -> None:
    user, headers = await world.user()
    first, *_, last = lines_of(user)
    world.neighbours.records[f"accounts/user/{user}/statement"] = [first, last]

    page = (await world.client.get(f"{PATH}?format=html", headers=headers)).text

    assert page.count("<table>") == page.count("</table>") == 2


async def test_a_statement_that_breaks_off_is_no_whole_answer(world: World) -> None:
    user, headers = await world.user()
    pieces = [*lines_of(user)[:2], RuntimeError("the database is gone")]
    world.neighbours.records[f"accounts/user/{user}/statement"] = pieces

    for query in ("", "?format=html"):
        broken = Connection(world, PATH + query, headers, None)
        await broken.task
        assert (broken.status, broken.sent[-1].get("more_body")) == (200, True)
        assert "signature" not in broken.text.lower()
    world.neighbours.records[f"accounts/user/{user}/statement"] = lines_of(user)
    answers = [await world.client.get(PATH, headers=headers) for _ in range(STATEMENTS_OF_OWNER_MAX + 1)]

    assert [answer.status_code for answer in answers] == [200] * len(answers)


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "november", "2026-11-01", "0000-01", "٢٠٢٦-11", "2098-01"])
async def test_what_is_no_month_that_has_begun_has_no_statement(world: World, month: str) -> None:
    _, headers = await world.user()

    answer = await world.client.get(f"/v1/statements/{month}", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_another_format_is_refused_and_no_credential_gets_nothing(world: World) -> None:
    _, headers = await world.user()

    wrong = await world.client.get(f"{PATH}?format=pdf", headers=headers)

    assert wrong.status_code == 400
    assert [error["field"] for error in wrong.json()["errors"]] == ["format"]
    assert (await world.client.get(PATH)).status_code == 401


async def test_a_member_gets_the_statement_of_the_workspace_and_a_stranger_none(world: World) -> None:
    team, (_, stranger) = await team_of(world), await world.user()
    lines = world.neighbours.records[f"accounts/workspace/{team.id}/statement"] = lines_of(team.user)

    mine = await world.client.get(PATH, headers=team.headers)
    theirs = await world.client.get(PATH, headers=stranger | {"X-Workspace-Id": str(team.id)})

    assert mine.content == b"".join(lines)
    assert theirs.status_code == 403


async def test_as_many_are_sent_at_once_as_may_be() -> None:
    under_way, owner = StatementsUnderWay(), Owner(kind="user", id=UUID(int=1))
    stream = httpx.Response(200)

    async def open_stream() -> httpx.Response:
        return stream

    for _ in range(STATEMENTS_OF_OWNER_MAX):
        assert await under_way.open(owner, open_stream()) is stream
    with pytest.raises(Problem) as refused:
        await under_way.open(owner, open_stream())
    under_way.end(owner)

    assert refused.value.code == "unavailable"
    assert await under_way.open(owner, open_stream()) is stream
