"""``/play``, where it is switched on. It has no routes of its own in the API: its page calls those of the others."""

from fastapi import APIRouter

from atelier_gateway.container import Container
from atelier_gateway.pages import play


def router(container: Container) -> APIRouter:
    """The page and its files; none where ``ATELIER_PLAY`` is off."""
    return play.router(container.objects.public_origin) if container.settings.play == "on" else APIRouter()
