"""The versioned price book: what one request costs, in credits."""

from atelier_pricing.book import VERSION, Price, Unpriced, price

__all__ = ["VERSION", "Price", "Unpriced", "price"]
