"""The brokers that ``ATELIER_AMQP_URL`` names: whole AMQP URLs and further hosts of one, separated by commas."""

import re
from urllib.parse import parse_qsl, urlencode

from yarl import URL

HEARTBEAT_S = 10
"""Of an address that names none: 60 s, the clients' usual, leaves a dead connection undetected for three minutes."""
HEARTBEAT_S_MAX = 65_534
_NEXT_URL = re.compile(r",\s*(?=[a-z]+://)", re.IGNORECASE)
_URL = re.compile(
    r"(?P<scheme>amqps?)://(?:(?P<user>[^/?#]*)@)?(?P<hosts>[^/?#@]+)(?P<path>/[^?#,]*)?(?:\?(?P<query>[^#]*))?",
    re.IGNORECASE,
)
_HOST = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>\d{1,5}))?", re.IGNORECASE)


def addresses_of(text: str) -> tuple[str, ...]:
    """One AMQP URL a broker, in the order given: ``amqp://u:p@a:5672,b:5672/v`` names two, and so does
    ``amqp://u:p@a/v,amqp://u:p@b/v``. Raises ValueError with a sentence that repeats no part of the value."""
    return tuple(address for part in _NEXT_URL.split(text.strip()) for address in _addresses_of_one(part))


def user_of(text: str) -> str | None:
    """The broker user that the addresses log in as; None where they name none, or not the same."""
    users = {URL(address).user for address in addresses_of(text)}
    return users.pop() if len(users) == 1 else None


def without_password(address: str) -> str:
    """An address for a log: scheme, host and port."""
    url = URL(address)
    return f"{url.scheme}://{url.host}:{url.port or (5671 if url.scheme == 'amqps' else 5672)}"


def _addresses_of_one(part: str) -> list[str]:
    found = _URL.fullmatch(part.strip())
    if found is None:
        raise ValueError("each address must look like amqp://user:password@host:5672/vhost (or amqps://…)")
    scheme, user = found["scheme"].lower(), "" if found["user"] is None else f"{found['user']}@"
    tail = f"{found['path'] or '/'}?{_query_of(found['query'] or '')}"
    return [f"{scheme}://{user}{_host(host.strip())}{tail}" for host in found["hosts"].split(",")]


def _host(host: str) -> str:
    found = _HOST.fullmatch(host)
    if found is None:
        raise ValueError("each host must be a name or an IP address, with a port or without one: host:5672")
    if found["port"] and not 0 < int(found["port"]) < 65_536:
        raise ValueError("the port of a host must be between 1 and 65535")
    return host


def _query_of(query: str) -> str:
    values = dict(parse_qsl(query, keep_blank_values=True))
    heartbeat = values.setdefault("heartbeat", str(HEARTBEAT_S))
    if not (heartbeat.isascii() and heartbeat.isdigit() and int(heartbeat) <= HEARTBEAT_S_MAX):
        raise ValueError(f"heartbeat must be a whole number of seconds, 0 to {HEARTBEAT_S_MAX}")
    return urlencode(values)
