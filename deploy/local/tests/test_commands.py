"""Whole commands against a fake API that can be set to break one promise.

The demo proves what it shows: it passes where every promise is kept and ends at the first broken one.
"""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from atelier_local.api_client import client
from atelier_local.cli import app
from atelier_local.connection import Connection
from atelier_local.demo import scenario
from atelier_local.demo.pictures import Picture, to_picture
from atelier_local.errors import AtelierError, BrokenPromise

from .support.fake_api import UNKNOWN, ZEROS, Api, run_api


@pytest.fixture
def api() -> Iterator[Api]:
    with run_api() as known:
        yield known


async def play(api: Api, folder: Path) -> str:
    photo: Picture = to_picture("photo.png", api.delivered)
    console = Console(width=80, color_system=None, file=io.StringIO(), soft_wrap=True)
    to = Connection(url=api.url, operations_url=api.url, admin_token="token", amqp_url="", traces_url=None)
    await scenario.run_scenario(to, (photo, photo), folder, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def list_saved(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir()]


async def test_the_demo_shows_the_states_the_balances_the_picture_and_the_refusal(api: Api, tmp_path: Path) -> None:
    text = await play(api, tmp_path)

    assert "10 granted = 10 available + 0 held + 0 captured" in text
    assert "10 granted = 9 available + 0 held + 1 captured" in text
    assert text.index("queued") < text.index("completed") < text.index("failed")
    assert "402 insufficient_credits" in text
    assert list_saved(tmp_path) == [api.delivered]


@pytest.mark.parametrize(
    ("lie", "complaint"),
    [
        ("charged twice", "The try-on should have cost 1 credit, but the balance is 10 granted = 8 available"),
        ("charged for a failure", "The failed try-on should have cost nothing, but the balance is"),
        ("another picture", "its SHA-256 differs from the one in the record"),
        ("served for nothing", "A store without credits was served"),
    ],
)
async def test_a_broken_promise_ends_the_demo_and_names_its_generation(
    api: Api, tmp_path: Path, lie: str, complaint: str
) -> None:
    api.lie = lie

    with pytest.raises(BrokenPromise, match=complaint) as broken:
        await play(api, tmp_path)

    assert broken.value.generation in api.ends


async def test_books_that_do_not_balance_end_the_demo(api: Api, tmp_path: Path) -> None:
    api.lie = "books"

    with pytest.raises(AtelierError, match="The ledger does not balance"):
        await play(api, tmp_path)


def run_command(api: Api, *arguments: str) -> Result:
    environment = {
        "ATELIER_URL": api.url,
        "ATELIER_OPERATIONS_URL": api.url,
        "ATELIER_ADMIN_TOKEN": "token",
        "ATELIER_AMQP_URL": "amqp://127.0.0.1:1/",
    }
    return CliRunner().invoke(app, list(arguments), env={**environment, "PROFILE": None, "COLUMNS": "80"})


def test_ledger_verify_exits_0_only_when_the_books_are_in_order(api: Api) -> None:
    honest = run_command(api, "admin", "ledger", "verify")
    api.lie = "books"
    broken = run_command(api, "admin", "ledger", "verify")

    assert (honest.exit_code, broken.exit_code) == (0, 1)
    assert "owner a: held 1, open holds 0" in broken.output


def test_the_full_proof_shows_its_progress_and_exits_0_only_when_the_books_are_in_order(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PROOF_POLL_S", 0.0)
    honest = run_command(api, "admin", "ledger", "verify", "--full")
    api.lie = "books"
    broken = run_command(api, "admin", "ledger", "verify", "--full")

    assert (honest.exit_code, broken.exit_code) == (0, 1)
    assert "7 of 12 rows checked" in honest.output
    assert "owner a: held 1, open holds 0" in broken.output


def test_a_command_of_an_operator_imports_no_broker_and_no_web_framework(api: Api) -> None:
    api.accounts[UNKNOWN] = dict(ZEROS)
    script = f"""
import sys
from typer.testing import CliRunner
from atelier_local.cli import app
done = CliRunner().invoke(app, ["admin", "balance", "store", "{UNKNOWN}"])
assert "0 granted" in done.output, done.output
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""
    known = {"ATELIER_URL": api.url, "ATELIER_ADMIN_TOKEN": "token", "ATELIER_AMQP_URL": "amqp://127.0.0.1:1/"}
    environment = {**os.environ, **known, "ATELIER_OPERATIONS_URL": api.url}
    environment.pop("PROFILE", None)

    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)

    imported = set(done.stdout.split())
    assert "httpx" in imported
    assert imported & {"aio_pika", "aiohttp", "asyncpg", "atelier_messaging", "fastapi", "faststream", "numpy"} == set()


def test_a_store_and_its_credits_are_made_by_two_commands(api: Api) -> None:
    made = run_command(api, "admin", "stores", "create", "Boutique")
    granted = run_command(api, "admin", "grant", "workspace", UNKNOWN, "5", "--reason", "a start")

    assert "store0" in made.output
    assert (granted.exit_code, granted.stderr) == (1, "Could not grant the credits: no such account (404 not_found).\n")


def test_a_grant_that_is_typed_twice_is_given_once_and_says_so(api: Api) -> None:
    api.accounts[UNKNOWN] = dict(ZEROS)
    command_text = ("admin", "grant", "store", UNKNOWN, "5", "--reason", "a start")

    first, second = run_command(api, *command_text), run_command(api, *command_text)
    other = run_command(api, *command_text[:-1], "for December")
    again = run_command(api, *command_text, "--again")

    assert [done.exit_code for done in (first, second, other, again)] == [0, 0, 0, 0]
    assert "5 granted" in first.output and "5 granted" in second.output
    assert "given before" in second.output and "given before" not in first.output
    assert "10 granted" in other.output and "15 granted" in again.output


def test_generate_saves_the_picture_and_says_what_it_cost(api: Api, tmp_path: Path) -> None:
    (tmp_path / "me.png").write_bytes(api.delivered)
    photo, out = str(tmp_path / "me.png"), tmp_path / "new" / "out.png"

    done = run_command(api, "generate", "--person", photo, "--garment", photo, "--out", str(out))

    assert done.exit_code == 0, done.output
    assert out.read_bytes() == api.delivered
    assert "charged   1 credit" in done.output


def test_a_broken_promise_names_the_command_that_tells_more(api: Api, tmp_path: Path) -> None:
    api.lie = "another picture"
    (tmp_path / "me.png").write_bytes(api.delivered)
    photo = str(tmp_path / "me.png")

    outcome = run_command(api, "generate", "--person", photo, "--garment", photo, "--out", str(tmp_path / "out.png"))

    assert outcome.exit_code == 1
    assert not (tmp_path / "out.png").exists()
    assert outcome.stderr.splitlines()[1].endswith(" admin explain generation0")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("generate", "--person", "no.jpg", "--garment", "no.jpg"), "There is no file no.jpg."),
        (
            ("generate", "--person", "a", "--garment", "b", "--out", "c.jpg"),
            "c.jpg must end in .png: the result is a PNG.",
        ),
        (("demo", "no.jpg"), "There is no file no.jpg."),
        (("admin", "dead-letters", "list", "nowhere"), "There is no queue nowhere; the queues are session.saga"),
        (("admin", "dead-letters", "list", "session.saga"), "Broker unavailable at the configured address: "),
        (("admin", "balance", "store", UNKNOWN, "--profile", "never-made"), "The stack never-made is not up;"),
        (("admin", "explain", UNKNOWN), "Could not explain the generation: "),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_code_1(
    api: Api, arguments: tuple[str, ...], complaint: str
) -> None:
    outcome = run_command(api, *arguments)

    assert outcome.exit_code == 1
    assert outcome.stderr.startswith(complaint)
    assert outcome.stderr.count("\n") == 1
