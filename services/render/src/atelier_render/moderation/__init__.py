"""What may be made at all, judged before any provider is asked."""
