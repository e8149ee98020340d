"""Which services are real in a run of the providers' suite; a module of its own, since it loads none of their SDKs."""

import os

from atelier_contracts.image_models import HOSTED_PROVIDERS
from atelier_render.providers.diffusion.settings import missing

REAL_KEYS: dict[str, str] = {name: f"ATELIER_TEST_{name.upper()}_API_KEY" for name in HOSTED_PROVIDERS}
"""Names of our own, so that a key in the environment for something else pays for no test."""


def real_services() -> str:
    """One line for the report of the run."""
    said = [f"{name} {_how(variable)}" for name, variable in REAL_KEYS.items()]
    return f"providers' suite: {', '.join(said)}"


def self_hosted() -> str:
    """Whether the self-hosted model is tested in this run."""
    absent = ", ".join(missing())
    return f"diffusers: {f'NOT TESTED, without {absent}; make test-diffusers does' if absent else 'tested'}"


def _how(variable: str) -> str:
    return "ALSO AGAINST THE REAL SERVICE" if os.environ.get(variable) else f"simulated ({variable} is not set)"
