"""Twenty questions of an operator at night, each answered at ``/console`` in a real browser, at a desk and on a phone,
in at most eight interactions and sixty seconds. ``make console-check`` asks them all, ``make test`` four."""

import os
from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import Browser

from whole_system.console_page import ConsolePage
from whole_system.console_questions import QUESTIONS
from whole_system.console_scene import AT_A_DESK_AND_ON_A_PHONE, at_the_console
from whole_system.looks import Scheme
from whole_system.world import World

ALL = os.environ.get("ATELIER_CONSOLE_QUESTIONS") == "all"
FEW = ("what failed last night and why", "why was he refused", "did the webhook arrive", "are we ready for an upgrade")
"""Part of ``make test``; ``test_console.py`` answers seven others there."""


def test_there_are_twenty_questions() -> None:
    assert len(QUESTIONS) == 20 and set(FEW) <= set(QUESTIONS)


@pytest.mark.parametrize(("width", "scheme"), AT_A_DESK_AND_ON_A_PHONE)
@pytest.mark.parametrize("words", QUESTIONS if ALL else FEW)
async def test_a_question_is_answered_in_eight_interactions(
    chromium: Browser, world: World, words: str, width: int, scheme: Scheme
) -> None:
    def open_console(role: str) -> AbstractAsyncContextManager[ConsolePage]:
        return at_the_console(chromium, world, width, scheme, role)

    await QUESTIONS[words](world, open_console)
