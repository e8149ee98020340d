"""The tables of render, by subject. Imported by migrations alone; the running service writes SQL."""

import atelier_messaging.tables  # noqa: F401 - outbox and inbox belong to every service's schema
from atelier_render.tables import artefacts, jobs, scheduling

__all__ = ["artefacts", "jobs", "scheduling"]
