"""Checks a client's URL before anything is resolved or connected to: what can be refused at once is refused at create.

The check and the fetcher use one strict parser: two parsers that disagree are how such checks are bypassed.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Literal
from urllib.parse import SplitResult, quote, urlsplit

from atelier_storage.ip_policy import IPAddress, is_public, parse_address

URL_CHARS_MAX = 4096
PORTS = frozenset({80, 443})
_DEFAULT_PORTS = {"http": 80, "https": 443}

UrlRefusalCode = Literal[
    "malformed_url",
    "scheme",
    "credentials_in_url",
    "port",
    "odd_address",
    "internal_address",
    "internal_name",
    "unknown_host",
    "redirect",
    "status",
    "encoded",
    "too_large",
    "certificate",
]

# Special-use names (RFC 6761, 6762, 7686, 8375, 9476) and what networks commonly use inside.
_INTERNAL_SUFFIXES = frozenset(
    {"alt", "arpa", "corp", "domain", "example", "home", "internal", "intranet", "invalid", "lan", "local"}
    | {"localdomain", "localhost", "mail", "onion", "private", "test"}
)
_WIRE_SAFE = "/%:@!$&'()*+,;=~[]?"
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_PRINTABLE = re.compile(r"[^\x00-\x20\x7f-\xa0\\\ud800-\udfff]+")


@dataclass(frozen=True)
class UrlRefusal:
    """Why a URL is not fetched, now or ever; the message may be shown to the client."""

    code: UrlRefusalCode
    message: str


@dataclass(frozen=True)
class HttpTarget:
    """A URL taken apart: lower-case host without brackets or final dot, the port always known."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def host_and_port(self) -> str:
        """How an allow-list spells this target, such as ``127.0.0.1:8080``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def request_path(self) -> str:
        """Path and query as they go on the wire."""
        path = quote(self.path or "/", safe=_WIRE_SAFE)
        return f"{path}?{quote(self.query, safe=_WIRE_SAFE)}" if self.query else path


def parse_url(url: str) -> HttpTarget | UrlRefusal:
    """Parses a URL strictly: http or https, plain ASCII host, no userinfo, no blank or backslash anywhere."""
    parts = _split(url)
    if parts is None:
        return UrlRefusal("malformed_url", "The URL is not well formed.")
    if parts.scheme not in _DEFAULT_PORTS:
        return UrlRefusal("scheme", "The URL must start with http:// or https://.")
    if "@" in parts.netloc:
        return UrlRefusal("credentials_in_url", "The URL must not carry a user name or password.")
    host = (parts.hostname or "").removesuffix(".")
    address = parse_address(host)
    if "[" in parts.netloc and not isinstance(address, IPv6Address):
        return UrlRefusal("malformed_url", "Only an IPv6 address stands in brackets.")
    if not host.isascii():
        return UrlRefusal(
            "malformed_url", "The host must be plain ASCII; write an international name in its xn-- form."
        )
    if not host:
        return UrlRefusal("malformed_url", "The URL names no host.")
    port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    # One spelling for one address, so that comparing hosts compares addresses.
    return HttpTarget(parts.scheme, host if address is None else str(address), port, parts.path, parts.query)


def refuse_url(url: str, *, allow_hosts: frozenset[str] = frozenset()) -> UrlRefusal | None:
    """Why this URL must not be fetched (SSRF), or None when only resolving its name can decide.

    ``allow_hosts`` holds ``host:port`` pairs that an operator or a test lets through; credentials and schemes stay
    refused.
    """
    target = parse_url(url)
    return target if isinstance(target, UrlRefusal) else refuse_target(target, allow_hosts=allow_hosts)


def refuse_target(target: HttpTarget, *, allow_hosts: frozenset[str]) -> UrlRefusal | None:
    """As ``refuse_url``, for a URL that is parsed already."""
    if target.host_and_port in allow_hosts:
        return None
    if target.port not in PORTS:
        return UrlRefusal("port", "The URL must use port 80 or 443.")
    address = parse_address(target.host)
    return _refuse_name(target.host) if address is None else refuse_address(address)


def refuse_address(address: IPAddress) -> UrlRefusal | None:
    """Refused unless it is out on the public internet."""
    return None if is_public(address) else UrlRefusal("internal_address", "The URL leads to an internal address.")


def _refuse_name(host: str) -> UrlRefusal | None:
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # What browsers and libc read as IPv4 (2130706433, 0x7f.1, 0177.0.0.1): no honest client writes these.
        return UrlRefusal("odd_address", "The address must be written as four decimal numbers.")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return UrlRefusal("malformed_url", "The host name is not well formed.")
    if len(labels) == 1 or labels[-1] in _INTERNAL_SUFFIXES:
        return UrlRefusal("internal_name", "The URL leads to an internal name.")
    return None


def _split(url: str) -> SplitResult | None:
    # Checked first: urlsplit silently drops tabs and newlines, and a backslash is a slash to some readers.
    if len(url) > URL_CHARS_MAX or not _PRINTABLE.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises ValueError for a port that is no number
    except ValueError:
        return None
    return parts if "%" not in parts.netloc else None
