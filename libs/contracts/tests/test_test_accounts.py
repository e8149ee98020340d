"""The id of a test account says that it is one, in every service and on every message."""

from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from atelier_contracts import Owner
from atelier_contracts.value_objects import id_of_test_account, is_test_id


def test_a_test_account_is_told_by_its_id_alone() -> None:
    live = Owner(kind="store", id=uuid7())
    test = Owner(kind="store", id=id_of_test_account(live.id))

    assert (live.is_test, test.is_test) == (False, True)
    assert test.id != live.id and id_of_test_account(test.id) == test.id
    assert str(test.id)[:14] == str(live.id)[:14] and str(test.id)[14] == "8"
    assert Owner.model_validate_json(test.model_dump_json()).is_test


@pytest.mark.parametrize("id_", [UUID(int=0), UUID(int=1), uuid7(), UUID("00000000-0000-4000-8000-000000000000")])
def test_no_other_id_is_taken_for_one(id_: UUID) -> None:
    assert not is_test_id(id_)


def test_two_live_owners_have_two_test_accounts() -> None:
    ids = [uuid7() for _ in range(1_000)]

    assert len({id_of_test_account(id_) for id_ in ids}) == 1_000
