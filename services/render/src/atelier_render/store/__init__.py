"""All SQL of render. Each statement serves a whole batch.

Locks are taken in one order in every transaction: jobs by generation id, then, once and last, tenant queues by owner.
Otherwise handler, claims, beats and endings, which are at work at the same time, would deadlock all day. Time is the
database's alone.
"""

from atelier_render.store.artefacts import finish_jobs, kept_keys
from atelier_render.store.leases import extend_leases, free_lost_jobs, give_back
from atelier_render.store.queue import LATE, change_queues, claim_jobs, depths

__all__ = [
    "LATE",
    "change_queues",
    "claim_jobs",
    "depths",
    "extend_leases",
    "finish_jobs",
    "free_lost_jobs",
    "give_back",
    "kept_keys",
]
