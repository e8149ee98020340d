"""Which IP addresses are out on the public internet. Written out, because ``ipaddress.is_global`` differs between
Python versions and on 3.11 says yes to NAT64, 6to4 and multicast.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IPAddress = IPv4Address | IPv6Address

# IANA's special-purpose registry, multicast and reserved space, and one address clouds put their metadata on.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; holds Alibaba's metadata address
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's virtual platform address
        "169.254.0.0/16",  # link-local; most clouds' metadata address
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; holds Oracle's metadata address
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT relays
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved and broadcast
    )
)
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
# Parts of 2000::/3 that are special or carry an IPv4 address inside; everything outside of it is refused anyway.
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
        "3ffe::/16",  # the old 6bone
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_MAPPED = IPv6Network("::ffff:0:0/96")


def is_public(address: IPAddress) -> bool:
    """Whether a connection to this address leaves for the public internet, an embedded IPv4 address looked at too."""
    if isinstance(address, IPv6Address) and (address in _NAT64 or address in _MAPPED):
        # DNS64 networks give NAT64 addresses for ordinary hosts, dual-stack sockets give mapped ones.
        address = IPv4Address(int(address) & 0xFFFF_FFFF)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    if address.scope_id is not None or address not in _GLOBAL_UNICAST_V6:
        return False
    return not any(address in network for network in _NOT_PUBLIC_V6)


def parse_address(text: str) -> IPAddress | None:
    """The address in its one canonical spelling, else None: ``127.1``, ``0x7f000001`` and ``0177.0.0.1`` are None."""
    try:
        return ip_address(text)
    except ValueError:
        return None
