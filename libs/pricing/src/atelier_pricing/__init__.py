"""The versioned price book: what one request costs, in credits."""

from atelier_pricing.book import REUSED_CREDITS, VERSION, Price, Unpriced, image_sizes, price, reused

__all__ = ["REUSED_CREDITS", "VERSION", "Price", "Unpriced", "image_sizes", "price", "reused"]
