"""Text as people and systems write it is taken; what is no text stays out."""

import pytest
from pydantic import TypeAdapter, ValidationError

from atelier_gateway.media.media_types import UploadType
from atelier_gateway.media.narration_fields import NarrationText
from atelier_gateway.web.field_errors import sentence_of
from atelier_gateway.web.json_bodies import FileName, MultilineText, Prompt, SingleLine

PROSE, PROMPT = TypeAdapter[str](MultilineText), TypeAdapter[str](Prompt)
LINE, FILE_NAME = TypeAdapter[str](SingleLine), TypeAdapter[str](FileName)
SPOKEN, UPLOAD_TYPE = TypeAdapter[str](NarrationText), TypeAdapter[str](UploadType)


def why(adapter: TypeAdapter[str], text: str) -> str:
    """The sentence that the client gets."""
    with pytest.raises(ValidationError) as refused:
        adapter.validate_python(text)
    return sentence_of(refused.value.errors(include_url=False)[0])


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_every_systems_line_break_is_one(line_break: str) -> None:
    for adapter in (PROSE, PROMPT, SPOKEN):
        assert adapter.validate_python(f"add a hat{line_break}and a scarf") == "add a hat\nand a scarf"


def test_lines_are_broken_once_each_and_tabs_stay() -> None:
    assert PROSE.validate_python("a\r\n\r\nb\n\rc\td") == "a\n\nb\n\nc\td"


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x80", "\x9f", "\ud800", "\udfff"])
def test_what_is_no_character_of_a_text_stays_out_of_every_text(character: str) -> None:
    for adapter in (PROSE, PROMPT, LINE, FILE_NAME, SPOKEN):
        assert why(adapter, f"a{character}b")


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\x0c", "\u2028", "\u2029"])
def test_what_begins_another_line_stays_out_of_one_line(character: str) -> None:
    assert why(LINE, f"a{character}b") == "it must be one line, without control characters"


@pytest.mark.parametrize(
    "name",
    [
        "Screenshot 2025-01-02 at 9.41.00\u202fAM.png",
        "Où est Roger\u00a0?",
        "全角\u3000空白",
        "\U0001f469\u200d\U0001f4bb works",
        "\u200eleft \u200fright",
        "co\u00adoperate",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "\ufeffmark",
        " spaces around ",
    ],
)
def test_a_name_is_taken_as_it_is_written(name: str) -> None:
    assert LINE.validate_python(name) == name
    assert FILE_NAME.validate_python(name) == name
    assert PROSE.validate_python(name) == name


@pytest.mark.parametrize("blank", ["", " ", "\n", "\u00a0\u202f\u3000", "\u200b\u200d\u2060\ufeff", "\u2800\u3164"])
def test_what_shows_nothing_is_no_prompt_and_no_name(blank: str) -> None:
    assert why(PROMPT, blank) == ("it must not be blank" if blank else "it must not be empty")
    assert why(LINE, blank)


def test_lengths_are_told_in_characters_and_counted_after_line_breaks() -> None:
    assert why(PROMPT, "word " * 1_000) == "at most 4000 characters are allowed, not 5000"
    assert why(LINE, "x" * 201) == "at most 200 characters are allowed, not 201"
    assert len(PROMPT.validate_python("x\r\n" * 2_000)) == 4_000


def test_a_file_name_may_be_as_long_as_a_path() -> None:
    assert FILE_NAME.validate_python("x" * 1_000)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("image/jpg", "image/jpeg"),
        ("IMAGE/JPEG", "image/jpeg"),
        ("image/x-png", "image/png"),
        ("text/plain; charset=utf-8", "text/plain"),
        ("Text/Plain;charset=utf-8;format=flowed", "text/plain"),
        ("image/webp ", "image/webp"),
    ],
)
def test_a_media_type_is_known_in_any_spelling(said: str, meant: str) -> None:
    assert UPLOAD_TYPE.validate_python(said) == meant


def test_another_media_type_is_refused_by_naming_those_that_are_taken() -> None:
    assert why(UPLOAD_TYPE, "application/pdf").startswith("one of image/png, image/jpeg")
