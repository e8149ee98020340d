"""Where the commands find the admin API, also with settings of an older version."""

import pytest

from atelier_local.connection import find_connection
from atelier_local.errors import AtelierError

KNOWN = {"ATELIER_ADMIN_TOKEN": "token", "ATELIER_AMQP_URL": "amqp://127.0.0.1:1/"}


def test_the_admin_api_is_where_the_settings_say() -> None:
    to = find_connection(
        None, {**KNOWN, "ATELIER_URL": "https://api.shop.net", "ATELIER_OPERATIONS_URL": "http://10.0.0.1:8090"}
    )

    assert (to.url, to.operations_url) == ("https://api.shop.net", "http://10.0.0.1:8090")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_settings_that_do_not_say_mean_the_default_port_of_this_machine(host: str) -> None:
    assert (
        find_connection(None, {**KNOWN, "ATELIER_URL": f"http://{host}:8000"}).operations_url == f"http://{host}:8090"
    )


def test_the_operators_token_is_not_sent_to_a_guessed_address_elsewhere() -> None:
    with pytest.raises(AtelierError, match="ATELIER_OPERATIONS_URL"):
        find_connection(None, {**KNOWN, "ATELIER_URL": "https://api.shop.net"})
