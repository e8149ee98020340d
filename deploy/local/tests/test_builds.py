"""A build under measurement gets the settings that it is given, or does not start."""

import pytest

from atelier_local.bench.builds import this_build
from atelier_local.errors import StackError


def test_a_setting_that_no_service_would_get_is_refused_by_name() -> None:
    build = this_build("never-started", settings={"ATELIER_SIMULATOR": "off"})

    with pytest.raises(StackError, match=r"does not pass these settings on to its services: ATELIER_SIMULATOR"):
        build.up({"ATELIER_SYNC_WAIT_S": "10"})

    assert not build.home.exists()
