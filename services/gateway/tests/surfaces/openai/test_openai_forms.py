"""A multipart form that cannot be taken is refused by saying what has to change."""

import pytest

from ...support.isolation import Headers, store
from ...support.onmodel import picture
from ...support.world import World

pytestmark = pytest.mark.stack
EDITS = "/v1/images/edits"
BOUNDARY = "x-boundary-x"


@pytest.fixture
async def key(world: World) -> Headers:
    return await store(world)


def part(name: str, data: bytes, filename: str | None = None) -> bytes:
    named = f'; filename="{filename}"' if filename else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + data + b"\r\n"


PROMPT = part("prompt", b"add a hat")
IMAGE = part("image", picture(), "a.png")


async def refusal(world: World, key: Headers, body: bytes, media_type: str | None = None) -> dict[str, str | None]:
    headers = key | {"Content-Type": media_type or f"multipart/form-data; boundary={BOUNDARY}"}
    reply = await world.client.post(EDITS, headers=headers, content=body + f"--{BOUNDARY}--\r\n".encode())
    assert (reply.status_code, reply.json()["error"]["type"]) == (400, "invalid_request_error"), reply.text
    assert set((await world.rows()).values()) == {0}
    error: dict[str, str | None] = reply.json()["error"]
    return error


@pytest.mark.parametrize("name", ["image", "image[]", "mask"])
async def test_a_picture_that_came_as_text_is_to_be_sent_as_a_file(world: World, key: Headers, name: str) -> None:
    error = await refusal(world, key, PROMPT + part(name, b"small"))

    assert error["param"] == name
    assert error["message"] == f"{name}: a picture is sent as a file, whose part has a file name (filename=…)"


@pytest.mark.parametrize(
    ("body", "media_type", "advice"),
    [
        (
            PROMPT + part("image", b"x" * 70_000),
            None,
            "A part without a file name has at most 64 KB; a picture is",
        ),
        (part("prompt", b"word " * 20_000) + IMAGE, None, "A part without a file name has at most 64 KB"),
        (PROMPT, "multipart/form-data", "Content-Type names no boundary; leave that header to the HTTP client"),
        (PROMPT, "multipart/form-data; boundary=another", "The body is no multipart form that can be read"),
        (b"{}", "application/json", "This route takes multipart/form-data."),
        (PROMPT * 50, None, "A form has at most 40 fields and 40 files."),
        (PROMPT + part("prompt", b"again") + IMAGE, None, "prompt: it is given twice"),
        (IMAGE + part("prompt", b"add a hat", "prompt.txt"), None, "prompt: no file is taken here; send it as text"),
        (PROMPT + IMAGE + part("stream", b"True") + part("n", b"2"), None, "n: a stream brings one picture"),
        (PROMPT + IMAGE + part("n", b"two"), None, "n: a whole number is required"),
    ],
)
async def test_a_form_that_is_refused_says_what_to_change(
    world: World, key: Headers, body: bytes, media_type: str | None, advice: str
) -> None:
    error = await refusal(world, key, body, media_type)

    assert (error["message"] or "").startswith(advice)


@pytest.mark.parametrize("no", ["False", "false", "0", "None", ""])
async def test_another_languages_no_is_no(world: World, key: Headers, no: str) -> None:
    error = await refusal(world, key, PROMPT + part("stream", no.encode()) + part("n", b"11") + IMAGE)

    assert error["param"] == "n"
