"""Twenty questions of an operator at night, by their words."""

from whole_system import console_customers, console_installation  # noqa: F401 - they put their questions there
from whole_system.console_asker import QUESTIONS

__all__ = ["QUESTIONS"]
