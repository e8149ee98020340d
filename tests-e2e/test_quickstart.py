"""The quickstart's commands do what it says, as printed."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from whole_system.world import World

PAGE = Path(__file__).resolve().parents[1] / "docs" / "start" / "quickstart.md"


async def test_the_lines_of_the_quickstart_run_as_printed(world: World, tmp_path: Path) -> None:
    text = PAGE.read_text()
    (tmp_path / "quickstart.py").write_text("".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)))
    lines = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    lines = lines.replace(". .run/default/env", f". {world.stack.profile.env_file}")
    script = f"{lines}\n{sys.executable} {tmp_path / 'quickstart.py'}\n"

    done = await asyncio.to_thread(
        subprocess.run, ["bash", "-eu", "-c", script], capture_output=True, text=True, timeout=90
    )

    assert done.returncode == 0, done.stderr
    assert '"status":"succeeded"' in done.stdout
    assert '"available":45' in done.stdout
    assert '"ok":true' in done.stdout
    assert done.stdout.endswith("succeeded {'reserved': 5, 'captured': 5, 'refunded': 0, 'returned': 0}\nimage/png\n")
