"""Waiting out an outage: the act is run again, as it is, until what it needs is back."""

import logging
from asyncio import sleep
from collections.abc import Awaitable, Callable
from typing import TypeVar

from atelier_messaging.errors import is_outage

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


async def until_available(
    act: Callable[[], Awaitable[Result]],
    *,
    what: str,
    pause_s: float,
    pause_s_max: float | None = None,
    is_unavailable: Callable[[Exception], bool] = is_outage,
) -> Result:
    """The result of ``act``, which is run again while it fails with an outage; it must be safe to run twice.

    The pause between two runs, in seconds, doubles up to ``pause_s_max`` (default: it stays ``pause_s``). ``what``
    begins each log line: "``what`` failed, retrying in 0.2 s". There is no limit of time: run it under a timeout where
    there is a deadline. Raises what ``is_unavailable`` does not accept.
    """
    pause = pause_s
    while True:
        try:
            return await act()
        except Exception as error:
            if not is_unavailable(error):
                raise
            logger.warning("%s failed, retrying in %.1f s: %r", what, pause, error)
        await sleep(pause)
        pause = min(pause_s_max or pause_s, pause * 2)
