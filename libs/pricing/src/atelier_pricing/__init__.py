"""The versioned price book: what one request costs, in credits."""
