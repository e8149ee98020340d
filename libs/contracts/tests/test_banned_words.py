"""Banned words are found however they are written, and nothing else is."""

import pytest

from atelier_contracts.word_filter import BannedWords


@pytest.mark.parametrize(
    "text",
    [
        "a gore scene",
        "GORE",
        "Göre!",
        "go\u200bre",
        "g\u00adore",
        "\uff47\uff4f\uff52\uff45",
        "so-called 'gore'",
        "x\ngore\ty",
    ],
)
def test_a_word_is_found_in_whatever_case_accents_and_disguise(text: str) -> None:
    assert BannedWords.from_list("gore", whole=True).first_in(text) == "gore"


@pytest.mark.parametrize("text", ["gorey", "a gored bull", "Igore", "gore_2", "", None, "g o r e"])
def test_a_whole_word_is_not_found_inside_another(text: str | None) -> None:
    assert BannedWords.from_list("gore", whole=True).first_in(text) is None


def test_words_are_found_anywhere_where_that_is_the_rule() -> None:
    assert BannedWords.from_list("explicit, Violent", whole=False).first_in("a nonVIOLENTLY red coat") == "Violent"


def test_a_phrase_is_found_over_any_blanks_and_signs_are_signs() -> None:
    banned = BannedWords.from_list("blood bath, c++", whole=True)

    assert banned.first_in("a Blood \n bath") == "blood bath"
    assert banned.first_in("c++ and more") == "c++"
    assert banned.first_in("a cc bath of blood") is None


@pytest.mark.parametrize("words", ["", " , ,", "\u200b"])
def test_an_empty_list_bans_nothing(words: str) -> None:
    banned = BannedWords.from_list(words, whole=True)

    assert not banned
    assert banned.first_in("anything at all") is None
