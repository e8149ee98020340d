"""The process with the model: `python -m atelier_render.providers.diffusion.engine SETTINGS_AS_JSON`. Orders come on
stdin, their results go to stdout; when render is gone, stdin ends and so does this.
"""

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO

from atelier_render.providers.diffusion.pipelines import Interrupted, NoRoom, Pipelines
from atelier_render.providers.diffusion.wire import (
    Batch,
    Broken,
    EngineReply,
    Make,
    OutOfMemory,
    Ready,
    Step,
    Stopped,
    frame_reply,
    read_command,
)


class Engine:
    """Makes batches in turn, and receives stop commands while it is at work."""

    def __init__(self, orders: BinaryIO, answers: BinaryIO) -> None:
        self._orders = orders
        self._answers = answers
        self._waiting: queue.SimpleQueue[Make] = queue.SimpleQueue()
        self._unwanted = 0

    def serve(self, load: Callable[[], Pipelines]) -> None:
        """Runs until stdin ends."""
        # Listening begins before the model is there: loading must end with render, too.
        threading.Thread(target=self._listen, daemon=True).start()
        pipelines = load()
        self._say(Ready(pipelines.device, pipelines.dtype))
        while True:
            make = self._waiting.get()
            self._say(self._run(pipelines, make))

    def _run(self, pipelines: Pipelines, make: Make) -> EngineReply:
        def step(fraction: float) -> bool:
            self._say(Step(make.number, fraction))
            return make.number > self._unwanted

        try:
            return Batch(make.number, pipelines.make(make.recipe, make.items, step))
        except Interrupted:
            return Stopped(make.number)
        except NoRoom:
            return OutOfMemory(make.number)
        except Exception as error:  # noqa: BLE001 - whatever a model does, render is told
            return Broken(make.number, f"{type(error).__name__}: {error}")

    def _listen(self) -> None:
        while (order := read_command(self._orders)) is not None:
            if isinstance(order, Make):
                self._waiting.put(order)
            else:
                self._unwanted = order.number
        os._exit(0)

    def _say(self, said: EngineReply) -> None:
        self._answers.write(frame_reply(said))
        self._answers.flush()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's interrupt is for render, which then closes our stdin
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not print into the answers
    options = json.loads(sys.argv[1])
    Engine(sys.stdin.buffer, answers).serve(lambda: Pipelines.load(**options))


if __name__ == "__main__":
    main()
