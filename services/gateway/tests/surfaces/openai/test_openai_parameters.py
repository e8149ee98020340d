"""Every parameter and value that the installed OpenAI client can send has an effect here or is refused with its reason.

A new version of the client with a new method, parameter or value fails by that name.
"""

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from PIL import Image

from atelier_contracts import GenerationRequested
from atelier_gateway.surfaces.openai.parameters import OPERATIONS, Operation, Parameter

from ...support import openai_sdk
from ...support.neighbours import decline
from ...support.world import World

pytestmark = pytest.mark.stack
MODEL = {"model": "gpt-image-2.6-flare"}
BASES: Mapping[str, Mapping[str, Any]] = {
    "images.generate": MODEL | {"prompt": "a cat"},
    "images.edit": MODEL | {"prompt": "a hat", "size": "1024x1024"},
    "images.create_variation": MODEL | {"size": "1024x1024"},
    "audio.speech.create": {"model": "gpt-4o-mini-tts", "input": "Once.", "voice": "alloy"},
}
SAMPLES: Mapping[str, Any] = {
    "prompt": "a dog",
    "input": "Twice.",
    "instructions": "slowly",
    "speed": 2.0,
    "n": 3,
    "user": "u-1",
    "safety_identifier": "s-1",
    "frame_count": 4,
    "frame_duration_ms": 200,
    "partial_images": 2,
    "output_compression": 50,
    "svg": {"model": "gpt-6"},
}
"""Values for parameters whose type names none."""
IN_JSON = {"images.generate", "audio.speech.create"}
REQUIRED = {"prompt", "model", "input", "voice"}
FILES = ("image", "mask", "markup")
IN_THE_REPLY = {"stream", "stream_format"}
"""Those that change nothing about the order, as the ``response_format`` of pictures; ``test_openai.py`` and
``test_openai_speech.py`` read the reply."""
NAMED = [(name, operation) for name, operation in OPERATIONS.items() if name in BASES]
"""Those that make something at once; the others: ``test_openai_batches.py``."""


class Probe(NamedTuple):
    """One value of one parameter."""

    name: str
    value: Any
    parameter: Parameter

    @property
    def reason(self) -> str:
        """Why it is refused; empty where it is not."""
        return self.parameter.refusal or self.parameter.refused.get(str(self.value), "")


def test_the_table_has_each_method_and_parameter_and_value_of_the_client() -> None:
    missing = []
    for name, parameters in openai_sdk.operations().items():
        operation = OPERATIONS.get(name)
        if operation is None:
            missing.append(name)
        elif operation.route:
            missing += [f"{name}({parameter})" for parameter in parameters if parameter not in operation.parameters]
            missing += [f"{name} has no {known}" for known in operation.parameters if known not in parameters]

    assert missing == []
    assert set(OPERATIONS) <= set(openai_sdk.operations())


def square(colour: str) -> bytes:
    """A PNG whose shape is that of the default size."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(out, "png")
    return out.getvalue()


def probes(name: str, operation: Operation) -> Iterator[Probe]:
    for parameter, values in openai_sdk.operations()[name].items():
        known = operation.parameters[parameter]
        if parameter in FILES:
            yield Probe(parameter, square("white"), known)
            continue
        assert values or parameter in SAMPLES, f"{name}({parameter}) has no sample"
        for value in values or (SAMPLES[parameter],):
            yield Probe(parameter, value == "True" if value in ("True", "False") else value, known)


async def order(world: World, name: str, body: Mapping[str, Any], files: Mapping[str, bytes]) -> tuple[Any, Any]:
    """The reply, and what of the request went to the session."""
    world.neighbours.heard.clear()
    _, headers = await world.store()
    route = OPERATIONS[name].route
    if name in IN_JSON:
        reply = await world.client.post(route, headers=headers, json=body)
    else:
        fields = {f"{key}[model]" if key == "svg" else key: str(value) for key, value in body.items()}
        parts = [(key, (f"{key}.png", data, "image/png")) for key, data in files.items()]
        reply = await world.client.post(route, headers=headers, data=fields, files=parts)
    heard = [e.message for e in world.neighbours.heard if isinstance(e.message, GenerationRequested)]
    if not heard:
        return reply, None
    spec = heard[-1].spec.model_dump(mode="json", exclude={"seed"})
    for given in spec["inputs"]:
        given["key"] = None
    return reply, json.dumps([spec, heard[-1].work.model_dump(mode="json")])


@pytest.mark.parametrize(("name", "operation"), NAMED, ids=[name for name, _ in NAMED])
async def test_each_value_of_the_client_has_an_effect_or_is_refused_with_its_reason(
    world: World, name: str, operation: Operation
) -> None:
    world.neighbours.answer = decline
    base, images = BASES[name], {} if name in IN_JSON else {"image": square("blue")}
    wrong = []
    for probe in probes(name, operation):
        beside = {**base, **probe.parameter.beside.get(str(probe.value), {})}
        plain_body = {key: value for key, value in beside.items() if key != probe.name or key in REQUIRED}
        _, plain = await order(world, name, plain_body, images)
        if probe.name in FILES:
            reply, sent = await order(world, name, beside, images | {probe.name: probe.value})
        else:
            reply, sent = await order(world, name, beside | {probe.name: probe.value}, images)
        label = f"{probe.name}={str(probe.value)[:40]}: {reply.status_code} {reply.text[:200]}"
        if probe.reason:
            error = reply.json().get("error", {})
            refused = (reply.status_code, error["type"], error["param"]) == (400, "invalid_request_error", probe.name)
            if not refused or probe.reason not in error["message"]:
                wrong.append(label)
        elif reply.status_code != 429 or sent is None:  # admitted, but for the credits
            wrong.append(label)
        elif (sent == plain) != _changes_nothing(probe, beside):
            wrong.append(f"{label}: {'no effect' if sent == plain else 'an effect of a neutral value'}")

    assert not wrong, "\n".join(wrong)


def _changes_nothing(probe: Probe, beside: Mapping[str, Any]) -> bool:
    if (
        probe.name in IN_THE_REPLY
        or (probe.name == "response_format" and "input" not in beside)
        or probe.value == beside.get(probe.name)
    ):
        return True
    return str(probe.value) in probe.parameter.neutral


@pytest.mark.parametrize(
    "path", ["/v1/audio/transcriptions", "/v1/files/f-1/parts", "/v1/embeddings", "/v1/chat/completions"]
)
async def test_what_is_not_offered_is_an_unknown_url_in_openais_shape(world: World, path: str) -> None:
    _, headers = await world.store()

    reply = await world.client.post(path, headers=headers, json={})

    error = reply.json()["error"]
    assert (reply.status_code, error["type"], error["code"]) == (404, "invalid_request_error", "unknown_url")
