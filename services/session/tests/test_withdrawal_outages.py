"""What the internal API says of a withdrawal that met an outage: whether it is certain that nothing was done."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from atelier_messaging import UnitOfWork
from atelier_messaging.service_app import OutageAnswer
from atelier_session import store
from atelier_session.internal_api import internal_router
from atelier_telemetry.operations import is_not_done

pytestmark = pytest.mark.stack


async def test_a_withdrawal_that_meets_an_outage_says_whether_nothing_was_done(
    unit: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FastAPI()
    silent: Any = None
    app.include_router(internal_router(unit, SecretStr("token"), silent))
    app.add_middleware(OutageAnswer)
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://session", headers={"Authorization": "Bearer token"}
    )
    path, outage = f"/internal/generations/{uuid4()}/withdraw", ConnectionRefusedError("the database is away")

    @asynccontextmanager
    async def lose_the_acknowledgement() -> AsyncIterator[Any]:
        async with begin() as tx:
            yield tx
        raise outage

    async def be_away(*_: object) -> str:
        raise outage

    with monkeypatch.context() as patch:
        patch.setattr(store, "withdraw", be_away)
        before = await client.post(path)
    begin = unit.once
    with monkeypatch.context() as patch:
        patch.setattr(unit, "once", lose_the_acknowledgement)
        after = await client.post(path)

    assert [answer.status_code for answer in (before, after)] == [503, 503]
    assert [is_not_done(answer.headers) for answer in (before, after)] == [True, False]
