"""Which URLs can be receivers, judged when a client names one; the dispatcher judges the addresses behind the name."""

from atelier_gateway.web.problems import field_problem
from atelier_storage.safe_poster import loopback_allow_list
from atelier_storage.url_policy import UrlRefusal, parse_url, refuse_target

URL_CHARS_MAX = 2_048
REQUEST_KEY = "webhook_url"
"""The key of a single request's URL in the projection's ``request`` (read by ``webhooks/delivery_store.py``)."""


class ReceiverPolicy:
    """The rules of this installation: ``https`` alone unless ``plain``, this machine's own servers if ``loopback``."""

    def __init__(self, *, plain: bool, loopback: bool) -> None:
        self._plain = plain
        self._loopback = loopback

    def check(self, url: str, field: str) -> str:
        """The URL, if it can be a receiver. Raises Problem 400 naming the field."""
        refusal = self._refusal(url)
        if refusal is not None:
            raise field_problem(field, refusal.message)
        return url

    def request_fields(self, url: str | None, field: str) -> dict[str, str]:
        """What a create with a URL adds to its stored request: that URL gets its end. Raises Problem."""
        return {} if url is None else {REQUEST_KEY: self.check(url, field)}

    def _refusal(self, url: str) -> UrlRefusal | None:
        target = parse_url(url)
        if isinstance(target, UrlRefusal):
            return target
        if target.scheme != "https" and not self._plain:
            return UrlRefusal("scheme", "The URL must start with https://.")
        return refuse_target(target, allow_hosts=loopback_allow_list(target, loopback=self._loopback))


def host_of(url: str) -> str:
    """Host and port: what may be shown and logged, since paths and queries hold secrets."""
    target = parse_url(url)
    return "" if isinstance(target, UrlRefusal) else target.host_and_port
