"""Webhooks: events of generations to their owners over HTTP, signed, at least once.

``enqueuer`` writes a delivery for each receiver into the transaction that changes the generation, so none is lost;
``dispatcher`` claims what is due, in every replica; ``retry_policy`` judges answers and says when to try again.
"""
