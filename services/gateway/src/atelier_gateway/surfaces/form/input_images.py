"""Which input images the form accepts: the user's uploads, and URLs of hosts that the operator allows (002.6)."""

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
class InputImages:
    """Checks the input images of a request. ``fetcher`` is None unless ENHANCED_VALIDATION is on."""

    inputs: InputResolver
    key_of: Callable[[str], str | None]
    hosts: tuple[AllowedHost, ...]
    fetcher: SafeFetcher | None = None

    async def references(self, owner: Owner, images: Sequence[RequestedInput]) -> tuple[InputRef, ...]:
        """All images as references, each allowed and, with ENHANCED_VALIDATION, reachable. Raises Problem."""
        for image in images:
            if "://" in image.text and self.key_of(image.text) is None and not is_allowed(image.text, self.hosts):
                raise image_problem(image.field, f"Invalid image URL. Only {self._names()} URLs are allowed.")
        try:
            references = await self.inputs.resolve(owner, images)
        except Problem as error:
            if error.code != "invalid_request":
                raise
            raise Problem("invalid_image", error.detail, details=error.details) from None
        foreign = [image for image, ref in zip(images, references, strict=True) if ref.url is not None]
        if self.fetcher is not None:
            await asyncio.gather(*(self._check_reachable(self.fetcher, image) for image in foreign))
        return references

    async def _check_reachable(self, fetcher: SafeFetcher, images: RequestedInput) -> None:
        try:
            outcome = await fetcher.fetch(images.text)
        except FetchFailed as error:
            raise image_problem(images.field, f"Failed to verify image: {images.text}") from error
        if isinstance(outcome, UrlRefusal):
            raise image_problem(images.field, f"Failed to verify image: {images.text}")

    def _names(self) -> str:
        names = ["Cloudinary" if allowed.host == CLOUDINARY else allowed.host for allowed in self.hosts]
        return " and ".join(names) or "uploaded"


def uses_of(images: Sequence[RequestedInput], references: Sequence[InputRef]) -> list[FileUse]:
    """The file rows of 002.8, named ``product-1`` and so on, in the order of the request."""
    orders = [int(image.field.rpartition(".")[2]) for image in images]
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


def image_problem(field: str, why: str) -> Problem:
    """400 IMAGE_VALIDATION_ERROR."""
    return Problem("invalid_image", why, details={"errors": [{"field": field, "message": why}]})
