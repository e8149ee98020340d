"""Telling owners what became of their generations, over HTTP, signed, at least once.

``noting`` writes a delivery for each receiver into the transaction that changes the generation, so none is lost;
``sending`` claims what is due, in every replica; ``schedule`` judges answers and says when to try again.
"""
