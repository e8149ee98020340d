"""Disputes: a customer says that an output is broken; evidence is collected, and declared rules decide."""
