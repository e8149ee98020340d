"""What proves the books to others: signed receipts, and later the log that they and all postings stand in."""
