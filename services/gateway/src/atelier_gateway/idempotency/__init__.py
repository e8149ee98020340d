"""``Idempotency-Key``: who holds a key, what was answered, and running an action once per key."""
