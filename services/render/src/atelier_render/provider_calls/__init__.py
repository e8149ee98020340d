"""Asking providers until it is known what became of a job: who is asked, how often, who stands in."""
