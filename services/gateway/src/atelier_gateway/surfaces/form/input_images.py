"""Which pictures the form takes: its user's own uploads, and URLs of the hosts that the operator allows (002.6)."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from atelier_contracts import InputRef, Owner
from atelier_contracts.value_objects import Role
from atelier_gateway.media.image_hosts import CLOUDINARY, AllowedHost, is_allowed
from atelier_gateway.media.input_references import InputResolver, RequestedInput
from atelier_gateway.media.store import CATEGORIES, FileUse
from atelier_gateway.web.problems import Problem
from atelier_storage.errors import FetchFailed
from atelier_storage.keys import safe_filename
from atelier_storage.safe_fetcher import SafeFetcher
from atelier_storage.url_policy import UrlRefusal, parse_url


@dataclass(frozen=True, slots=True)
class Images:
    """Judges the pictures of one request. ``fetcher`` is None unless ENHANCED_VALIDATION is on."""

    inputs: InputResolver
    key_of: Callable[[str], str | None]
    hosts: tuple[AllowedHost, ...]
    fetcher: SafeFetcher | None = None

    async def references(self, owner: Owner, given: Sequence[RequestedInput]) -> tuple[InputRef, ...]:
        """All of them, each allowed and, where it is asked for, reachable. Raises Problem."""
        for one in given:
            if "://" in one.text and self.key_of(one.text) is None and not is_allowed(one.text, self.hosts):
                raise invalid(one.field, f"Invalid image URL. Only {self._names()} URLs are allowed.")
        try:
            references = await self.inputs.resolve(owner, given)
        except Problem as refused:
            if refused.code != "invalid_request":
                raise
            raise Problem("invalid_image", refused.detail, details=refused.details) from None
        foreign = [one for one, ref in zip(given, references, strict=True) if ref.url is not None]
        if self.fetcher is not None:
            await asyncio.gather(*(self._reach(self.fetcher, one) for one in foreign))
        return references

    async def _reach(self, fetcher: SafeFetcher, given: RequestedInput) -> None:
        try:
            outcome = await fetcher.fetch(given.text)
        except FetchFailed as failed:
            raise invalid(given.field, f"Failed to verify image: {given.text}") from failed
        if isinstance(outcome, UrlRefusal):
            raise invalid(given.field, f"Failed to verify image: {given.text}")

    def _names(self) -> str:
        names = ["Cloudinary" if allowed.host == CLOUDINARY else allowed.host for allowed in self.hosts]
        return " and ".join(names) or "uploaded"


def uses_of(given: Sequence[RequestedInput], references: Sequence[InputRef]) -> list[FileUse]:
    """The rows of 002.8: named ``product-1`` and so on, in the order in which the user gave them."""
    orders = [int(one.field.rpartition(".")[2]) for one in given]
    return [
        FileUse(
            category=CATEGORIES[ref.role],
            filename=_filename(ref.role, order, ref.url or ""),
            key=ref.key,
            url=ref.url,
            is_primary=order == 0,
            image_order=order,
        )
        for order, ref in zip(orders, references, strict=True)
    ]


def _filename(role: Role, order: int, url: str) -> str:
    target = parse_url(url)
    suffix = "" if isinstance(target, UrlRefusal) else PurePosixPath(target.path).suffix
    return safe_filename(f"{role}-{order + 1}{suffix or '.jpg'}")


def invalid(field: str, why: str) -> Problem:
    """400 IMAGE_VALIDATION_ERROR."""
    return Problem("invalid_image", why, details={"errors": [{"field": field, "message": why}]})
