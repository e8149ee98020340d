"""The versioned price book: what one request costs, in credits."""

from atelier_pricing.book import (
    REUSED_CREDITS,
    VERSION,
    NoPrice,
    Price,
    book_sha256,
    document,
    image_sizes,
    price,
    reuse_price,
)

__all__ = [
    "REUSED_CREDITS",
    "VERSION",
    "NoPrice",
    "Price",
    "book_sha256",
    "document",
    "image_sizes",
    "price",
    "reuse_price",
]
