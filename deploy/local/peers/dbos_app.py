"""DBOS behind FastAPI: one workflow of three transactional steps; a step's result commits together with its rows."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import uvicorn
from dbos import DBOS, AsyncSQLAlchemyDatasource, SetWorkflowID
from fastapi import FastAPI
from ledger import statements
from sqlalchemy import text

HOLD, FINISH, CAPTURE = map(text, statements(id=":id", account=":account"))
COMMITTED: Any = {"isolation_level": "READ COMMITTED"}
"""Its default, serializable, would repeat a step whenever two generations of an account meet."""
DATABASE_URL = os.environ["PEERS_DATABASE_URL"]

DBOS(config={"name": "peer", "system_database_url": DATABASE_URL, "sys_db_pool_size": 10, "log_level": "WARNING"})
opened: dict[str, AsyncSQLAlchemyDatasource] = {}


async def execute(statement: Any, **values: Any) -> None:
    await opened["rows"].sql_session().execute(statement, values)


async def hold(id: str, account: int) -> None:
    await execute(HOLD, id=UUID(id), account=account)


async def finish(id: str) -> None:
    await execute(FINISH, id=UUID(id))


async def capture(id: str) -> None:
    await execute(CAPTURE, id=UUID(id))


@DBOS.workflow()
async def generation(id: str, account: int) -> str:
    """The three steps in turn."""
    rows = opened["rows"]
    await rows.run_tx_step_async(COMMITTED, hold, id, account)
    await rows.run_tx_step_async(COMMITTED, finish, id)
    await rows.run_tx_step_async(COMMITTED, capture, id)
    return "captured"


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    opened["rows"] = await AsyncSQLAlchemyDatasource.create(DATABASE_URL, {"pool_size": 10, "max_overflow": 5})
    DBOS.launch()
    yield
    DBOS.destroy()


app = FastAPI(lifespan=lifespan)


@app.post("/generation/run")
async def run(request: dict[str, Any]) -> str:
    """Answers once the credit is captured."""
    with SetWorkflowID(request["id"]):
        return await generation(request["id"], request["account"])


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
