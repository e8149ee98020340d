"""``ATELIER_AMQP_URL``: a list of brokers, or a sentence that names the variable and repeats no password."""

import pytest
from pydantic import ValidationError

from atelier_messaging import BrokerSettings
from atelier_messaging.addresses import addresses_of, user_of, without_password


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("amqp://u:p@h1/", ["amqp://u:p@h1/?heartbeat=10"]),
        ("amqp://127.0.0.1", ["amqp://127.0.0.1/?heartbeat=10"]),
        (
            "amqp://u:p@h1:5672,h2:5673/v",
            ["amqp://u:p@h1:5672/v?heartbeat=10", "amqp://u:p@h2:5673/v?heartbeat=10"],
        ),
        (
            "amqp://u:p@h1/v, amqps://u:p@h2:5671/v?heartbeat=30",
            ["amqp://u:p@h1/v?heartbeat=10", "amqps://u:p@h2:5671/v?heartbeat=30"],
        ),
        ("AMQP://u:a%2Cb@[::1]:5672/%2Fv", ["amqp://u:a%2Cb@[::1]:5672/%2Fv?heartbeat=10"]),
        ("amqp://u:a,b@h1,h2/", ["amqp://u:a,b@h1/?heartbeat=10", "amqp://u:a,b@h2/?heartbeat=10"]),
    ],
)
def test_whole_addresses_and_further_hosts_make_a_list(text: str, expected: list[str]) -> None:
    assert list(addresses_of(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rabbit",
        "http://u:secret@h1/",
        "amqp://",
        "amqp:///v",
        "amqp://u:secret@h1:port/",
        "amqp://u:secret@h1:70000/",
        "amqp://u:secret@h1:0/",
        "amqp://u:secret@h1,,h2/",
        "amqp://u:secret@h1/,",
        "amqp://u:secret@h1/v,rabbit",
        "amqp://u:secret@h 1/",
        "amqp://u:secret@h1/?heartbeat=soon",
        "amqp://u:secret@h1/?heartbeat=-1",
    ],
)
def test_what_names_no_broker_stops_start_up_and_names_the_variable(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ATELIER_AMQP_URL", text)

    with pytest.raises(ValidationError, match="ATELIER_AMQP_URL does not name brokers: ") as refused:
        BrokerSettings()

    assert "secret" not in str(refused.value)


def test_an_address_is_logged_without_its_password() -> None:
    [address] = addresses_of("amqps://billing:secret@broker.example/")

    assert without_password(address) == "amqps://broker.example:5671"
    assert user_of(address) == "billing"
