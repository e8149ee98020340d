"""All SQL of the gateway, one module a concern. Hot statements take whole batches (unnest).

One order of locks, so that nobody waits in a circle: ``generations``, then ``files``, then ``uploads``, then
``doomed_uploads``; several rows of one of the last three by their primary key.
"""
