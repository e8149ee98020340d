"""names.py finds each departure from the rules of names, says where it is and what to do, and counts it."""

import subprocess
import sys
from pathlib import Path

import pytest

NAMES = Path(__file__).resolve().parents[1] / "names.py"
SOURCE = "services/billing/src/atelier_billing"
GATEWAY = "services/gateway/src/atelier_gateway"


def check(where: Path, files: dict[str, str], *options: str) -> tuple[int, list[str]]:
    """(exit status, printed lines) for a repository of these files."""
    for name, content in files.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(content)
    subprocess.run(["git", "init", "-q"], cwd=where, check=True)
    subprocess.run(["git", "add", "--force", "."], cwd=where, check=True)
    done = subprocess.run([sys.executable, NAMES, *options], cwd=where, check=False, capture_output=True, text=True)
    return done.returncode, (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("making.py", "", "making.py:1: module making is named by the participle 'making': name it by a noun"),
        (
            "told/__init__.py",
            "",
            "told/__init__.py:1: module told is named by the participle 'told': name it by a noun",
        ),
        (
            "a.py",
            "\ndef _sent_messages(): ...\n",
            "a.py:2: _sent_messages is named by the participle 'sent': begin with a verb",
        ),
        (
            "a.py",
            "class A:\n    async def created(self): ...\n",
            "a.py:2: created is named by the participle 'created': begin with a verb",
        ),
        ("a.py", "for one in []:\n    pass\n", "a.py:1: for one in …: name what one is"),
        ("a.py", "x = [one for one in []]\n", "a.py:1: for one in …: name what one is"),
        (
            "a.py",
            "try:\n    pass\nexcept OSError as silent:\n    pass\n",
            "a.py:3: exception caught as silent: catch it as error",
        ),
        ("a.py", "x = 1\n" * 301, "a.py:300: 301 lines, at most 300: split it by subject"),
        ("a.py", "def f():\n" + "    x = 1\n" * 50, "a.py:1: f has 51 lines, at most 50"),
        (
            "a.py",
            '"""One.\n\nThe caller is told\nfor\never."""\n',
            "a.py:4: 'for ever' is dialect: forever, indefinitely",
        ),
    ],
)
def test_a_fault_is_named_with_its_place_and_its_remedy(tmp_path: Path, name: str, content: str, fault: str) -> None:
    status, printed = check(tmp_path, {f"{SOURCE}/{name}": content})

    assert status == 1
    assert f"{SOURCE}/{fault}" in printed


@pytest.mark.parametrize(
    "content",
    [
        "def parse_created(): ...\ndef read(): ...\ndef feed(): ...\ndef pending(): ...\ndef embed(): ...\n",
        "def test_told_owners_are_told(): ...\n",
        "try:\n  f()\nexcept A as error:\n  try:\n    f()\n  except A as undo_error:\n    pass\n",
        '"""The caller is told what happened."""\n',
        "x = 1\n" * 300,
        "def f():\n" + "    x = 1\n" * 49,
    ],
)
def test_what_follows_the_rules_passes(tmp_path: Path, content: str) -> None:
    status, printed = check(tmp_path, {f"{SOURCE}/a.py": content})

    assert status == 0, printed


def test_one_participle_among_fifty_modules_passes_and_two_do_not(tmp_path: Path) -> None:
    modules = {f"{SOURCE}/a{number}.py": "" for number in range(49)}

    assert check(tmp_path, modules | {f"{SOURCE}/made.py": ""})[0] == 0
    assert check(tmp_path, {f"{SOURCE}/given.py": ""})[0] == 1


def test_dialect_is_counted_against_the_words_of_its_own_package(tmp_path: Path) -> None:
    plain = '"""' + "plain " * 4000 + '"""\n'
    dialect = '"""' + "asked " * 4 + '"""\n'

    assert check(tmp_path, {f"{SOURCE}/a.py": plain, f"{SOURCE}/b.py": dialect})[0] == 0
    status, printed = check(tmp_path, {f"{SOURCE}/a.py": plain, "services/render/src/atelier_render/b.py": dialect})

    assert status == 1
    assert "services/render/src/atelier_render/b.py:1: 'asked' is dialect: requested" in printed


def test_a_gateway_with_a_ninth_module_at_its_top_is_refused(tmp_path: Path) -> None:
    modules = {f"{GATEWAY}/{name}.py": "" for name in ("__init__", "__main__", *"abcdefgh")}

    assert check(tmp_path, modules)[0] == 0
    status, printed = check(tmp_path, {f"{GATEWAY}/i.py": ""})

    assert status == 1
    assert f"{GATEWAY}:1: 9 modules at the top level, at most 8: move them into packages" in printed


def test_migrations_that_are_frozen_are_not_read(tmp_path: Path) -> None:
    frozen = f"{SOURCE}/migrations/versions/told_1.py"

    assert check(tmp_path, {f"{SOURCE}/a.py": "", frozen: "def told(): ...\n" * 400})[0] == 0


def test_a_report_prints_the_table_alone_and_passes(tmp_path: Path) -> None:
    status, printed = check(tmp_path, {f"{SOURCE}/making.py": ""}, "--report")

    assert status == 0
    assert [line.split()[:2] for line in printed] == [
        ["package", "modules"],
        ["services/billing", "src"],
        ["the", "tree"],
        ["at", "most"],
    ]
