"""Batches of generations: many requests taken at once, priced as a whole, made in a bounded window."""
