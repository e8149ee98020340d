"""The table of guards fits the code: ``make explore`` takes each of them away and runs its test."""

import re

import pytest

from chaos.mutant import Mutant
from chaos.mutants import MUTANTS, ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.guard)
def test_the_guard_is_in_the_code_and_its_test_exists(mutant: Mutant) -> None:
    file, _, name = mutant.test.partition("::")

    assert mutant.mutate((ROOT / mutant.file).read_text())
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.M)
