"""What passes between render and the process with the model. As JSON, not as pickles: strangers' pictures are decoded
over there, and nothing that happens to that process may run code in this one.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, BinaryIO, Literal

from pydantic import Field, TypeAdapter

from atelier_contracts.value_objects import ImageFormat
from atelier_render.providers.protocol import Mode
from atelier_render.providers.worker_http.contract import Bytes

HEAD = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What pictures made together have in common."""

    mode: Mode | Literal["masked", "try_on"]
    width: int
    height: int
    """Sides in pixels; of a try-on, of each of the two pictures that stand side by side."""
    steps: int
    guidance_scale: float
    strength: float
    garments: int = 0
    """Put on one after another, each in as many steps."""


@dataclass(frozen=True, slots=True)
class Item:
    """One picture to make; the same seed gives the same picture, whatever it is made together with."""

    prompt: str
    negative_prompt: str
    seed: int
    image_format: ImageFormat
    picture: Bytes | None = field(default=None, repr=False)
    mask: Bytes | None = field(default=None, repr=False)
    garments: tuple[Bytes, ...] = field(default=(), repr=False)
    """For a try-on, whose person is ``picture``."""


@dataclass(frozen=True, slots=True)
class Make:
    """Asks for one batch."""

    number: int
    recipe: Recipe
    items: Sequence[Item]
    word: Literal["make"] = "make"


@dataclass(frozen=True, slots=True)
class Stop:
    """Stops this batch."""

    number: int
    word: Literal["stop"] = "stop"


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded."""

    device: str
    dtype: str
    word: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class Step:
    """So much of a batch is done, from 0 to 1."""

    number: int
    fraction: float
    word: Literal["step"] = "step"


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture, encoded."""

    data: Bytes = field(repr=False)
    content_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """One picture that is not made: its input will not do, or the model's own filter withheld it."""

    code: Literal["invalid_input", "refused"]
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """The result of each item, in order."""

    number: int
    results: Sequence[Drawn | Rejected]
    word: Literal["batch"] = "batch"


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The device cannot hold so many at once."""

    number: int
    word: Literal["outofmemory"] = "outofmemory"


@dataclass(frozen=True, slots=True)
class Broken:
    """The model raised something."""

    number: int
    reason: str
    word: Literal["broken"] = "broken"


@dataclass(frozen=True, slots=True)
class Stopped:
    """Stopped on command."""

    number: int
    word: Literal["stopped"] = "stopped"


EngineCommand = Make | Stop
EngineReply = Ready | Step | Batch | OutOfMemory | Broken | Stopped
_ORDER: TypeAdapter[EngineCommand] = TypeAdapter(Annotated[EngineCommand, Field(discriminator="word")])
_SAID: TypeAdapter[EngineReply] = TypeAdapter(Annotated[EngineReply, Field(discriminator="word")])


def frame_command(order: EngineCommand) -> bytes:
    """As it goes over the pipe."""
    return _frame(_ORDER.dump_json(order))


def frame_reply(said: EngineReply) -> bytes:
    """As it goes over the pipe."""
    return _frame(_SAID.dump_json(said))


def reply_of(body: bytes) -> EngineReply:
    """The reply in the bytes. Raises ValueError for an invalid one."""
    return _SAID.validate_json(body)


def read_command(pipe: BinaryIO) -> EngineCommand | None:
    """The next order; None at the end."""
    head = pipe.read(HEAD.size)
    return _ORDER.validate_json(pipe.read(*HEAD.unpack(head))) if len(head) == HEAD.size else None


def _frame(body: bytes) -> bytes:
    return HEAD.pack(len(body)) + body
