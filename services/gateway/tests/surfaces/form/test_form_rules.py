"""The form's rules that need no server: the prompt's table, the allow-list, the breaker, the settings."""

import itertools

import pytest
from pydantic import ValidationError

from atelier_gateway.generations import input_rules
from atelier_gateway.media.image_hosts import is_allowed, parse_allowed_hosts
from atelier_gateway.surfaces.form.requests import GenerationForm, prompt_of, work_of

from ...support.form import FORM
from ...support.settings import settings

STYLES = {
    "realistic": "photorealistic, high quality, professional photography",
    "artistic": "artistic interpretation, creative styling, aesthetic composition",
    "minimal": "clean, minimalist, simple background, professional product shot",
}
QUALITIES = {
    "standard": "",
    "high": ", high resolution, detailed",
    "ultra": ", ultra high resolution, extremely detailed, professional studio lighting",
}


@pytest.mark.parametrize(
    ("style", "quality", "custom"), list(itertools.product(STYLES, QUALITIES, (None, "", "on a roof")))
)
def test_the_prompt_is_composed_as_the_seed_does(style: str, quality: str, custom: str | None) -> None:
    """002.7 Style, then customPrompt, then quality."""
    form = GenerationForm.model_validate(FORM | {"style": style, "quality": quality, "customPrompt": custom})

    wanted = f"Fashion model wearing the clothing item, {STYLES[style]}"
    wanted += f", {custom}" if custom else ""
    assert prompt_of(form) == wanted + QUALITIES[quality]


@pytest.mark.parametrize(("quality", "tokens"), [("standard", 1), ("high", 2), ("ultra", 2)])
def test_the_price_is_the_books(quality: str, tokens: int) -> None:
    """002.5 ceil(1 x 1 | 1.5 | 2)."""
    assert (
        input_rules.price_or_refuse(work_of(GenerationForm.model_validate(FORM | {"quality": quality}))).credits
        == tokens
    )


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://res.cloudinary.com/demo/image/upload/x.png", True),
        ("https://RES.cloudinary.com/demo/image/upload/x.png", True),
        ("https://res.cloudinary.com/demo/x.png", False),
        ("https://res.cloudinary.com:444/demo/image/upload/x.png", False),
        ("https://a.res.cloudinary.com/image/upload/x.png", False),
        ("https://res.cloudinary.com.evil.net/image/upload/x.png", False),
        ("https://evil.net#res.cloudinary.com/image/upload/", False),
        ("https://user@res.cloudinary.com/image/upload/x.png", False),
        ("ftp://res.cloudinary.com/image/upload/x.png", False),
        ("https://cdn.net/x.png", True),
    ],
)
def test_a_host_is_allowed_as_it_is_parsed(url: str, allowed: bool) -> None:
    """002.6 Never by substring."""
    assert is_allowed(url, parse_allowed_hosts("res.cloudinary.com/image/upload/, cdn.net")) is allowed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RATE_LIMIT_ENABLED", "perhaps"),
        ("MAX_REQUESTS_PER_HOUR", "ten"),
        ("QUEUE_MAX_SIZE", "0"),
        ("GENERATION_ENABLED", "2"),
        ("NEW_GENERATION_ENDPOINT", "on-ish"),
        ("ENHANCED_VALIDATION", "maybe"),
        ("ATELIER_IMAGE_HOSTS", "https://res.cloudinary.com"),
        ("ATELIER_FORM_ASPECT_RATIOS", "wide"),
    ],
)
def test_a_malformed_setting_stops_start_up(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """002.4 With an error that names it."""
    with pytest.raises(ValidationError, match=f"(?i){name.removeprefix('ATELIER_')}") as stopped:
        settings(monkeypatch, **{name: value})
    assert stopped.value.error_count() == 1


def test_the_seeds_names_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """002.4 Without a prefix, as the seed writes them."""
    read = settings(monkeypatch, MAX_REQUESTS_PER_HOUR="3", QUEUE_MAX_SIZE="7", ENHANCED_VALIDATION="true")

    assert (read.max_requests_per_hour, read.queue_max_size, read.enhanced_validation) == (3, 7, True)
    assert (read.rate_limit_enabled, read.generation_enabled, read.new_generation_endpoint) == (True, True, True)
