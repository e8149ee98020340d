"""The registry is the only list of hosted providers: what is left out of it, or of what follows from it, fails here."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from atelier_contracts.image_models import HOSTED_PROVIDERS
from atelier_imaging.pool import ImageWorkers
from atelier_render import providers
from atelier_render.providers.declaration import HostedProvider
from atelier_render.providers.diffusion.provider import Diffusers
from atelier_render.providers.local.images import Local
from atelier_render.providers.local.narration import Narration
from atelier_render.providers.registry import BUILT_IN_NAMES, HOSTED, HostedSettings
from atelier_render.providers.simulator import Simulator
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser

FOLDER = Path(providers.__file__).parent
DOCS = Path(__file__).parents[3] / "docs/providers"
TODAY = date(2026, 12, 1)
each = pytest.mark.parametrize("provider", HOSTED, ids=lambda provider: str(provider.name))


def test_every_folder_with_a_declaration_is_registered_under_its_name() -> None:
    folders = {file.parent.name for file in FOLDER.glob("*/declaration.py")}

    assert {provider.name for provider in HOSTED} == folders


def test_the_contract_names_what_is_registered() -> None:
    assert set(HOSTED_PROVIDERS) == {provider.name for provider in HOSTED}


def test_every_registered_provider_has_its_settings_field_and_no_other_has() -> None:
    fields = {name: field.annotation for name, field in HostedSettings.model_fields.items()}

    assert fields == {provider.name: provider.settings for provider in HOSTED}


@each
def test_the_settings_of_a_provider_begin_with_its_name(provider: HostedProvider[Any]) -> None:
    assert provider.settings.model_config.get("env_prefix") == f"ATELIER_{provider.name.upper()}_"


@each
async def test_what_is_created_is_what_was_declared(provider: HostedProvider[Any]) -> None:
    images = ImageWorkers(workers=1)
    created: Any = provider.create("a-key", provider.settings(), ImageNormaliser(images), 1.0)

    assert created.name == provider.name
    assert created.capabilities.remote == provider.capabilities(TODAY).remote is True
    assert created.capabilities.kinds == provider.capabilities(TODAY).kinds
    await created.close()
    await images.close()


@each
def test_every_registered_provider_has_a_page(provider: HostedProvider[Any]) -> None:
    assert (DOCS / f"provider-{provider.name}.md").is_file()


def test_built_in_names_are_those_of_the_built_in_classes() -> None:
    assert {Local.name, Narration.name, Diffusers.name, Simulator.name} == BUILT_IN_NAMES
