"""What each owner has spent, from Atelier's public events: `faststream run credit_totals:app`."""

import os
import sqlite3

from faststream import FastStream
from faststream.rabbit import RabbitBroker, RabbitMessage, RabbitQueue

from atelier_events import CreditsSettled, once, subscription_queue

broker = RabbitBroker(os.environ["ATELIER_EVENTS_URL"])
app = FastStream(broker)
books = sqlite3.connect(os.environ.get("TOTALS_DB", "totals.db"))
books.execute("CREATE TABLE IF NOT EXISTS spent (owner TEXT PRIMARY KEY, credits INTEGER)")
ADD = "INSERT INTO spent VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET credits = credits + excluded.credits"


@broker.subscriber(RabbitQueue(subscription_queue("credit-totals"), durable=True, declare=False))
async def add(event: CreditsSettled, message: RabbitMessage) -> None:
    with once(books, message) as is_new:
        if is_new:
            books.execute(ADD, (str(event.owner.id), event.captured))
