"""An event that is delivered again changes nothing, and one whose handling failed is handled when it comes again."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from atelier_events import NotAnEvent, once


@dataclass
class Message:
    """A message with an id."""

    id: UUID | str

    @property
    def headers(self) -> dict[str, str]:
        return {"cloudEvents:id": str(self.id)}

    body: bytes = b"{}"


@pytest.fixture
def books(tmp_path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(tmp_path / "books.db")
    connection.execute("CREATE TABLE sums (value INTEGER)")
    return connection


def _add(books: sqlite3.Connection, message: Message, consumer: str = "") -> None:
    with once(books, message, consumer=consumer) as is_new:
        if is_new:
            books.execute("INSERT INTO sums VALUES (1)")


def _sum(books: sqlite3.Connection) -> int:
    return int(books.execute("SELECT count(*) FROM sums").fetchone()[0])


def test_the_same_event_again_changes_nothing(books: sqlite3.Connection) -> None:
    message = Message(uuid4())

    for _ in range(3):
        _add(books, message)

    assert _sum(books) == 1


def test_a_handler_that_fails_leaves_nothing_and_the_event_is_new_again(books: sqlite3.Connection) -> None:
    message = Message(uuid4())

    with pytest.raises(RuntimeError), once(books, message):
        books.execute("INSERT INTO sums VALUES (1)")
        raise RuntimeError("the handler failed")
    assert _sum(books) == 0

    _add(books, message)
    assert _sum(books) == 1


def test_two_consumers_of_one_database_each_handle_it(books: sqlite3.Connection) -> None:
    message = Message(uuid4())

    for consumer in ("mail", "totals"):
        _add(books, message, consumer)

    assert _sum(books) == 2


def test_what_is_committed_survives_the_process(books: sqlite3.Connection, tmp_path: Path) -> None:
    message = Message(uuid4())
    _add(books, message)
    books.close()

    again = sqlite3.connect(tmp_path / "books.db")
    _add(again, message)

    assert _sum(again) == 1


def test_a_message_without_an_id_is_no_event(books: sqlite3.Connection) -> None:
    with pytest.raises(NotAnEvent), once(books, Message("none")):
        pass
