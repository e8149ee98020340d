"""Canonical JSON's promises, against another implementation of RFC 8785."""

import json
from types import MappingProxyType

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from atelier_contracts.canonical_json import (
    FLOAT_MAX,
    FLOAT_MIN,
    SAFE_INTEGER_MAX,
    NotCanonical,
    canonical_json,
    canonical_sha256,
)

numbers = st.floats(FLOAT_MIN, FLOAT_MAX, exclude_max=True) | st.floats(-FLOAT_MAX, -FLOAT_MIN, exclude_min=True)
integers = st.integers(-SAFE_INTEGER_MAX, SAFE_INTEGER_MAX)
values = st.recursive(
    st.none() | st.booleans() | st.text() | integers | numbers,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(values)
def test_the_bytes_are_those_of_another_implementation(value: object) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(values)
def test_a_value_that_was_written_and_read_again_has_the_same_bytes(value: object) -> None:
    once = canonical_json(value)

    assert canonical_json(json.loads(once)) == once


@given(values)
def test_the_short_way_for_simple_values_writes_what_the_long_way_writes(value: object) -> None:
    in_a_view = MappingProxyType({"value": value})  # no plain dictionary: the long way

    assert canonical_json({"value": value}) == canonical_json(in_a_view)


def test_names_are_sorted_by_utf_16_code_units() -> None:
    assert canonical_json({"\ufb33": 1, "\U0001f600": 2, "a": 3}).decode() == '{"a":3,"\U0001f600":2,"\ufb33":1}'


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"n": 2**53}, r"\$\.n: a whole number beyond"),
        ([0.00001], r"\$\[0\]: the number 1e-05"),
        (float("nan"), r"\$: the number nan"),
        ({"a": {"b": "\ud800"}}, r"\$\.a\.b: a lone surrogate"),
        ({1: 2}, r"\$: the name 1 is not a string"),
        (b"bytes", r"\$: bytes is no JSON value"),
    ],
)
def test_what_has_no_one_form_is_refused_with_its_place(value: object, why: str) -> None:
    with pytest.raises(NotCanonical, match=why):
        canonical_sha256(value)
