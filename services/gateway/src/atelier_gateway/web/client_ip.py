"""Who is at the other end of a connection. ``X-Forwarded-For`` is believed only as far as our own proxies wrote it."""

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

Network = IPv4Network | IPv6Network
ClientIp = Callable[[Scope], str]
HOPS_MAX = 32
UNKNOWN = "unknown"


def networks(text: str) -> tuple[Network, ...]:
    """Of ``ATELIER_TRUSTED_PROXIES``: CIDRs, comma-separated. Raises ValueError naming the one that is none."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def client_ip(scope: Scope, trusted: tuple[Network, ...]) -> str:
    """The address nearest to us that none of our proxies has: what is left of it, anybody may have written."""
    at = scope["client"][0] if scope.get("client") else UNKNOWN
    if not trusted or not _within(at, trusted):
        return at
    forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
    for hop in reversed(forwarded.rsplit(",", HOPS_MAX)):
        if (address := _address(hop)) is None:
            return at
        at = address
        if not _within(at, trusted):
            return at
    return at


def subject(ip: str) -> str:
    """What is counted for an address: a whole /64 where one subscriber has that many addresses."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ip_network((address, 64), strict=False))
    return str(address)


def _address(hop: str) -> str | None:
    """One hop without a port; None where it is no address."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _within(ip: str, trusted: tuple[Network, ...]) -> bool:
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in trusted if network.version == address.version)
