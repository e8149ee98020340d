"""What is tested here and needs no running system does without it."""

import pytest


@pytest.fixture(autouse=True)
def books_balance() -> None:
    """Replaces the look at the running system's books after each test: the tests here check more closely themselves."""
