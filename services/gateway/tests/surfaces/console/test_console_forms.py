"""What the console makes of the fields of its forms: a number is passed on, and what is none is, too, to be refused."""

import pytest

from atelier_gateway.surfaces.console.act_table import ACTS

OWNER = {"owner_kind": "store", "owner_id": "5", "generation_id": "7", "reason": "ticket 19"}


@pytest.mark.parametrize("act", ["return", "take-back", "grant", "set-cap"])
@pytest.mark.parametrize(
    ("typed", "sent"), [("12", {"credits": 12}), ("1e2", {"credits": "1e2"}), ("2,5", {"credits": "2,5"}), ("", {})]
)
def test_an_amount_that_is_no_number_is_not_left_out_which_would_mean_all(
    act: str, typed: str, sent: dict[str, object]
) -> None:
    body = ACTS[act].body(OWNER | {"credits": typed})

    assert body is not None
    assert {name: value for name, value in body.items() if name == "credits"} == sent
