"""The README's commands do what it says, as printed."""

import asyncio
import json
import re
import subprocess
from pathlib import Path

from whole_system.world import World

README = Path(__file__).resolve().parents[1] / "README.md"


async def test_the_curl_lines_of_the_readme_run_as_printed(world: World) -> None:
    block = re.search(r"```sh\n(?P<lines>.*?)```", README.read_text(), re.S)
    assert block is not None
    lines = block["lines"].replace(". .run/default/env", f". {world.stack.profile.env_file}")

    printed = await asyncio.to_thread(_bash, lines)

    answers = [json.loads(answer) for answer in printed.splitlines()]
    granted, session, books = answers
    assert granted["credits"] == granted["available"] == 5
    assert session["data"]["status"] in {"queued", "processing", "completed"}
    assert books["ok"] is True


def _bash(lines: str) -> str:
    """What the lines print, each answer on a line of its own."""
    separated = lines.replace("curl -s -H", "curl -s -w '\\n' -H")
    done = subprocess.run(["bash", "-eu", "-c", separated], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
