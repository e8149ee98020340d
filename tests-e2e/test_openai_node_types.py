"""The stock Node client's types name no parameter that the table of OpenAI's parameters does not know."""

import re
from pathlib import Path

import pytest

from atelier_gateway.surfaces.openai.parameters import OPERATIONS
from whole_system import packages

INTERFACES = {
    "images.generate": ("images.d.ts", ("ImageGenerateParamsBase", "ImageGenerateParamsStreaming")),
    "images.edit": ("images.d.ts", ("ImageEditParamsBase", "ImageEditParamsStreaming")),
    "images.create_variation": ("images.d.ts", ("ImageCreateVariationParams",)),
    "audio.speech.create": ("audio/speech.d.ts", ("SpeechCreateParams",)),
}
FIELD = re.compile(r"^    (\w+)\??:", re.MULTILINE)


def fields_of(types: Path, interface: str) -> set[str]:
    """The names of an interface's own fields."""
    text = types.read_text()
    begin = text.index(f"export interface {interface} ")
    return set(FIELD.findall(text[begin : text.index("\n}", begin)]))


@pytest.mark.parametrize("operation", INTERFACES)
def test_the_node_clients_parameters_are_those_of_the_table(operation: str) -> None:
    file, interfaces = INTERFACES[operation]
    resources = packages.node_packages("node") / "node_modules" / "openai" / "resources"

    named = set().union(*(fields_of(resources / file, interface) for interface in interfaces))

    assert named == set(OPERATIONS[operation].parameters)
