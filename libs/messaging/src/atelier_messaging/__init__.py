"""Delivery: topology, outbox, inbox, once(), retries and dead letters."""
