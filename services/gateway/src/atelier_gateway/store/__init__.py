"""All SQL of the gateway, one module a concern. Hot statements take whole batches (unnest)."""
