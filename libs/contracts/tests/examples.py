"""Hypothesis strategies for messages, read off the models: a new message or field is covered with no new line here."""

from collections.abc import Sequence
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

from hypothesis import strategies as st
from pydantic import BaseModel

from atelier_contracts.value_objects import Metadata

Model = TypeVar("Model", bound=BaseModel)
ITEMS_MAX = 3


def models(kind: type[Model]) -> st.SearchStrategy[Model]:
    """Any valid value of a model."""
    return st.builds(
        kind, **{name: _values(field.annotation, field.metadata) for name, field in kind.model_fields.items()}
    )


def _values(annotation: Any, constraints: Sequence[Any]) -> st.SearchStrategy[Any]:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in {Union, UnionType}:
        return st.one_of(*(_values(choice, constraints) for choice in inner))
    if origin is tuple:
        return st.lists(_values(inner[0], ()), max_size=ITEMS_MAX).map(tuple)
    if issubclass(annotation, BaseModel):
        return models(annotation)
    return _plain(annotation, constraints)


def _plain(kind: type[object], constraints: Sequence[Any]) -> st.SearchStrategy[Any]:
    if kind is int:
        return st.integers(_limit(constraints, "ge"), _limit(constraints, "le"))
    if kind is float:
        return st.floats(_limit(constraints, "ge"), _limit(constraints, "le"))
    if kind is str:
        return st.text(min_size=_limit(constraints, "min_length") or 0, max_size=_limit(constraints, "max_length"))
    return {
        Metadata: st.dictionaries(st.text(), st.text(), max_size=ITEMS_MAX).map(Metadata),
        bool: st.booleans(),
        NoneType: st.none(),
        UUID: st.uuids(),
        datetime: st.datetimes(timezones=st.just(UTC)),
    }[kind]


def _limit(constraints: Sequence[Any], name: str) -> int | None:
    return next((getattr(each, name) for each in constraints if hasattr(each, name)), None)
