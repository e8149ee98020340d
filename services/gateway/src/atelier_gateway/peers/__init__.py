"""Clients of the other services: their internal APIs, their replies on the bus, their records."""
