"""What the package offers by name, and what a name loads."""

import subprocess
import sys

import pytest

import atelier_messaging

LOADED = """
import sys
import atelier_messaging.{module}
print(*sorted({{name.partition('.')[0] for name in sys.modules}} & {{'fastapi', 'faststream'}}))
"""


def _loaded_by(module: str) -> list[str]:
    """Which frameworks a fresh interpreter has loaded after the import of this module."""
    words = [sys.executable, "-c", LOADED.format(module=module)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("name", atelier_messaging.__all__)
def test_each_name_that_is_offered_is_there(name: str) -> None:
    assert getattr(atelier_messaging, name).__name__ == name


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Postman'"):
        atelier_messaging.Postman  # noqa: B018 - looking is the test


def test_setting_up_a_broker_loads_no_framework() -> None:
    assert [_loaded_by(module) for module in ("addresses", "topology", "permissions")] == [[], [], []]
    assert _loaded_by("bus") == ["fastapi", "faststream"]
