"""The allow-list of hosts that the form takes pictures from, judged on the host as it is parsed (002.6)."""

from collections.abc import Sequence
from dataclasses import dataclass

from atelier_storage.url_policy import PORTS, UrlRefusal, parse_url

CLOUDINARY = "res.cloudinary.com"


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """A host, and what a path must hold there."""

    host: str
    path_part: str = ""

    @classmethod
    def read(cls, text: str) -> "AllowedHost":
        """``res.cloudinary.com/image/upload/`` or only a host. Raises ValueError."""
        host, slash, path = text.strip().lower().partition("/")
        if not host or not all(part.replace("-", "").isalnum() for part in host.split(".")):
            raise ValueError(f"{text!r} is no host name, such as {CLOUDINARY} or {CLOUDINARY}/image/upload/")
        return cls(host, slash + path)


def parse_allowed_hosts(text: str) -> tuple[AllowedHost, ...]:
    """Of ``ATELIER_IMAGE_HOSTS``, comma-separated. Raises ValueError."""
    return tuple(AllowedHost.read(entry) for entry in text.split(",") if entry.strip())


def is_allowed(url: str, hosts: Sequence[AllowedHost]) -> bool:
    """Judged by the host as it is parsed, never by what stands somewhere in the text."""
    target = parse_url(url)
    if isinstance(target, UrlRefusal) or target.port not in PORTS:
        return False
    return any(target.host == allowed.host and allowed.path_part in target.path for allowed in hosts)
