"""How many calls a provider bears is said in one line of the environment."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from atelier_render.settings import Settings

FIELD: TypeAdapter[Any] = TypeAdapter(Settings.model_fields["render_provider_calls"].rebuild_annotation())


@pytest.mark.parametrize(
    ("given", "expected"), [("", {}), ("openai=2, google=8", {"openai": 2, "google": 8}), ("team=1,", {"team": 1})]
)
def test_the_calls_of_each_provider_are_read(given: str, expected: dict[str, int]) -> None:
    assert FIELD.validate_python(given) == expected


@pytest.mark.parametrize("given", ["openai", "openai=0", "openai=many"])
def test_what_is_no_number_of_calls_is_refused(given: str) -> None:
    with pytest.raises(ValidationError):
        FIELD.validate_python(given)
