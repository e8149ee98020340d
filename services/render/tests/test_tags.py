"""Tags say what is known of an output, and nothing that is not."""

import pytest

from atelier_contracts import RenderSpec
from atelier_render.outputs.analysis import Output
from atelier_render.outputs.tags import KEYWORDS_MAX, colour_name, tags_of


def output(width: int = 30, height: int = 20, colours: tuple[str, ...] = ()) -> Output:
    return Output(b"", "image/png", width, height, colours=colours)


def test_kind_style_format_orientation_colours_maker_and_keywords_are_told_once_each() -> None:
    spec = RenderSpec(kind="image", style="vivid", prompt="A red bicycle, a Red one, with its bell", model="m-1")

    tags = tags_of(spec, "local", output(colours=("#d01010", "#f8f8f8", "#c81414")))

    assert tags == ("image", "vivid", "png", "landscape", "red", "white", "local", "m-1", "bicycle", "bell")


def test_a_long_prompt_gives_so_many_words_and_odd_characters_none() -> None:
    prompt = " ".join(f"wort{chr(97 + place)}" for place in range(20)) + " \x1b[31m 12345678 ; drop"

    tags = tags_of(RenderSpec(kind="image", prompt=prompt), "local", output())

    assert len([tag for tag in tags if tag.startswith("wort")]) == KEYWORDS_MAX
    assert all("\x1b" not in tag and "\n" not in tag for tag in tags)


@pytest.mark.parametrize(
    ("width", "height", "word"), [(100, 100, "square"), (101, 100, "square"), (9, 16, "portrait"), (16, 9, "landscape")]
)
def test_the_orientation_is_told_by_the_sides(width: int, height: int, word: str) -> None:
    assert word in tags_of(RenderSpec(kind="image"), "local", output(width=width, height=height))


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ("#000000", "black"), ("#ffffff", "white"), ("#808080", "grey"), ("#ff0000", "red"), ("#ff8800", "orange"),
        ("#6b4423", "brown"), ("#ffee00", "yellow"), ("#00aa00", "green"), ("#00cccc", "cyan"), ("#0000ff", "blue"),
        ("#8800ff", "purple"), ("#ff44bb", "pink"), ("#ff0011", "red"),
    ],
)  # fmt: skip
def test_colours_have_everyday_names(colour: str, name: str) -> None:
    assert colour_name(colour) == name


def test_what_is_heard_has_no_tags() -> None:
    assert tags_of(RenderSpec(kind="narration", prompt="Hello there"), "narration", Output(b"", "audio/mpeg")) == ()
