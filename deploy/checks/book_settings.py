"""The settings reference, from the settings models of the services: name, default, meaning, who reads it."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from atelier_billing import migration_settings as billing_migration
from atelier_billing import settings as billing
from atelier_gateway import migration_settings as gateway_migration
from atelier_gateway import settings as gateway
from atelier_render import migration_settings as render_migration
from atelier_render import settings as render
from atelier_session import migration_settings as session_migration
from atelier_session import settings as session

READERS: dict[str, type[BaseSettings]] = {
    "gateway": gateway.Settings,
    "session": session.Settings,
    "billing": billing.Settings,
    "render": render.Settings,
    "gateway migration": gateway_migration.MigrationSettings,
    "session migration": session_migration.MigrationSettings,
    "billing migration": billing_migration.MigrationSettings,
    "render migration": render_migration.MigrationSettings,
}
TITLES = {
    "all": "All four services",
    "gateway": "Gateway",
    "session": "Session",
    "billing": "Billing",
    "render": "Render",
    "storage": "Object store (gateway and render)",
    "diffusers": "Self-hosted model (render)",
    "several": "Several services",
    "migrations": "Migrations",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable, as one service reads it."""

    name: str
    default: str
    values: str
    meaning: str


def settings_tables() -> str:
    """A heading and a table for each group. Raises ValueError naming the settings that say nothing about themselves."""
    readers: dict[str, list[str]] = {}
    known: dict[str, Setting] = {}
    for reader, model in READERS.items():
        for setting in settings_of(model):
            readers.setdefault(setting.name, []).append(reader)
            known.setdefault(setting.name, setting)
    silent = [name for name, setting in known.items() if not setting.meaning]
    if silent:
        raise ValueError(f"settings without a docstring: {', '.join(silent)}")
    parts = []
    for group, title in TITLES.items():
        rows = [_row(known[name], readers[name]) for name in sorted(known) if _group(name, readers[name]) == group]
        if rows:
            who = sorted({reader for name in known if _group(name, readers[name]) == group for reader in readers[name]})
            parts += [f"## {title}", "", f"Read by: {', '.join(who)}.", ""]
            parts += ["| name | default | meaning |", "|---|---|---|", *rows, ""]
    return "\n".join(parts).rstrip()


def settings_of(model: type[BaseSettings], prefix: str | None = None) -> Iterator[Setting]:
    """Each variable that the model reads, those of the groups inside it included."""
    prefix = str(model.model_config.get("env_prefix", "")) if prefix is None else prefix
    meanings = docstrings_of(model)
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseSettings):
            yield from settings_of(inner)
            continue
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else f"{prefix}{name}".upper()
        meaning = field.description or meanings.get(name, "")
        yield Setting(variable, _default(field), _values(field), meaning)


def docstrings_of(model: type) -> dict[str, str]:
    """What stands below each field of a class and of the classes that it extends."""
    found: dict[str, str] = {}
    for source in reversed([known for known in model.__mro__ if issubclass(known, BaseSettings)]):
        if source is BaseSettings or source.__qualname__ == "HostedSettings":  # made at run time: no source
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(source))).body
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_text(below):
                found[field.target.id] = inspect.cleandoc(below.value.value)  # type: ignore[attr-defined]
    return found


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=False)
    if default is None or default in ("", (), {}, PydanticUndefined):
        return "–"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`{','.join(map(str, default))}`"
    return f"`{default}`"


def _values(field: FieldInfo) -> str:
    literal = next(
        (kind for kind in (field.annotation, *get_args(field.annotation)) if get_origin(kind) is Literal), None
    )
    if literal is not None:
        return ", ".join(f"`{value}`" for value in get_args(literal))
    bounds = {name: getattr(rule, name) for rule in field.metadata for name in BOUNDS if hasattr(rule, name)}
    return ", ".join(f"{word} {_number(bounds[name])}" for name, word in BOUNDS.items() if _is_number(bounds.get(name)))


BOUNDS = {"ge": "from", "gt": "more than", "le": "up to", "lt": "less than"}


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _group(name: str, readers: list[str]) -> str:
    if all(reader.endswith(" migration") for reader in readers):
        return "migrations"
    if name.startswith("ATELIER_S3_"):
        return "storage"
    if name.startswith("ATELIER_DIFFUSERS_"):
        return "diffusers"
    services = [reader for reader in readers if not reader.endswith(" migration")]
    return "all" if len(services) == 4 else services[0] if len(services) == 1 else "several"


def _row(setting: Setting, readers: list[str]) -> str:
    meaning = " ".join(setting.meaning.split()).replace("``", "`").replace("|", "\\|")
    meaning = meaning[0].upper() + meaning[1:]
    values = f" Values: {setting.values}." if setting.values else ""
    who = f" Read by {', '.join(readers)}." if _group(setting.name, readers) in ("several", "migrations") else ""
    return f"| `{setting.name}` | {setting.default} | {meaning}{values}{who} |"
