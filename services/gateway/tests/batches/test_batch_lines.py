"""Lines of batches that JSON knows and tables or their readers do not: refused before anything is done with them."""

import json
from typing import Any

import pytest

from atelier_gateway.batches import planning
from atelier_gateway.web.problems import Problem

UNSTORABLE = {
    "NUL": rb'{"url": "https://pictures.net/\u0000"}',
    "NUL in a name": rb'{"a\u0000": 1}',
    "half of a pair": rb'{"list": [{"text": "\ud83d"}]}',
    "a number without end": rb'{"number": 1e999}',
    "a nest": b'{"list": ' + b"[" * 500 + b"]" * 500 + b"}",
}


@pytest.mark.parametrize("line", UNSTORABLE.values(), ids=list(UNSTORABLE))
def test_a_line_that_no_table_can_hold_is_refused(line: bytes) -> None:
    with pytest.raises(Problem) as refused:
        planning.check_storable(planning.parse_line(line))

    assert refused.value.code == "invalid_request"


@pytest.mark.parametrize("value", ["\U0001f600", "\\u0000", 1.5, None, [[["deep"]]]], ids=repr)
def test_any_other_line_is_taken(value: Any) -> None:
    planning.check_storable(planning.parse_line(json.dumps({"body": value}).encode()))
