"""All SQL of render. Each statement serves a whole batch.

Locks are taken in one order in every transaction: jobs by generation id, then, once and last, tenant queues by owner.
Otherwise handler, claims, beats and endings, which are at work at the same time, would deadlock all day. Time is the
database's alone.
"""

from atelier_render.store.artefacts import Earlier, equal_result, finish_jobs
from atelier_render.store.leases import extend_leases, free_lost_jobs, give_back
from atelier_render.store.queue import LATE, change_queues, claim_jobs, depths
from atelier_render.store.removing import (
    Reason,
    doom_objects,
    due_objects,
    forget_objects,
    forget_requests,
    lock_old_results,
    named_keys,
    only_sweeper,
    prune_jobs,
    retire_results,
)

__all__ = [
    "LATE",
    "Earlier",
    "Reason",
    "change_queues",
    "claim_jobs",
    "depths",
    "doom_objects",
    "due_objects",
    "equal_result",
    "extend_leases",
    "finish_jobs",
    "forget_objects",
    "forget_requests",
    "free_lost_jobs",
    "give_back",
    "lock_old_results",
    "named_keys",
    "only_sweeper",
    "prune_jobs",
    "retire_results",
]
