"""A team's own model behind HTTP, in any language: the contract, our side of it, and its description.

The page for people who write a worker: ``docs/providers/http-worker.md``.
"""
