"""coverage_table.py prints the measured share of each package, and says what was not measured."""

import subprocess
import sys
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "coverage_table.py"


def test_a_package_of_which_half_ran_is_shown_so(tmp_path: Path) -> None:
    (tmp_path / "atelier_a").mkdir()
    (tmp_path / "atelier_a" / "half.py").write_text("import sys\nif len(sys.argv) > 9:\n    a = 1\n    b = 1\n")
    (tmp_path / "pyproject.toml").write_text('[tool.coverage.run]\ndata_file = "data"\n')
    run = [sys.executable, "-m", "coverage", "run", "atelier_a/half.py"]
    subprocess.run(run, cwd=tmp_path, check=True, capture_output=True)

    done = subprocess.run(
        [sys.executable, TABLE, "atelier_a"], cwd=tmp_path, check=True, capture_output=True, text=True
    )

    assert done.stdout.startswith("atelier_a                   50.0 %\n\nMeasured with the tests that need no server")
