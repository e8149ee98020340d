"""Celery: a chain of three tasks over a quorum queue, confirmed and persistent publishes, late acknowledgements."""

import os
from typing import Any

from celery import Celery
from ledger import statements
from psycopg_pool import ConnectionPool

QUEUE = "peers.celery"
HOLD, FINISH, CAPTURE = statements(id="%(id)s::uuid", account="%(account)s::int")

app = Celery("peers", broker=os.environ["PEERS_AMQP_URL"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_default_delivery_mode="persistent",
    task_default_exchange_type="topic",
    task_default_queue=QUEUE,
    task_default_queue_type="quorum",
    task_ignore_result=True,
    task_reject_on_worker_lost=True,
    worker_detect_quorum_queues=True,
    worker_enable_remote_control=False,
    worker_prefetch_multiplier=8,
)
pools: dict[int, ConnectionPool] = {}


def execute(statement: str, **values: Any) -> None:
    """On a pool of this process: a connection does not outlive a fork."""
    process = os.getpid()
    if process not in pools:
        pools[process] = ConnectionPool(
            os.environ["PEERS_DATABASE_URL"], min_size=1, max_size=2, kwargs={"autocommit": True}, open=True
        )
    with pools[process].connection() as connection:
        connection.execute(statement, values, prepare=True)


@app.task
def hold(id: str, account: int) -> None:
    execute(HOLD, id=id, account=account)


@app.task
def finish(id: str) -> None:
    execute(FINISH, id=id)


@app.task
def capture(id: str) -> None:
    execute(CAPTURE, id=id)
