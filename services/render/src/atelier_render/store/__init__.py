"""All SQL of render. Each statement serves a whole batch.

Locks are taken in one order in every transaction: jobs by generation id, then, once and last, tenant queues by owner.
Otherwise handler, claims, beats and endings, which are at work at the same time, would deadlock all day. Time is the
database's alone.
"""

from atelier_render.store.artefacts import Earlier, equal_result, finish_jobs, tell_again
from atelier_render.store.durations import Measured, add_durations, durations, promise, standing
from atelier_render.store.leases import extend_leases, free_lost_jobs, give_back
from atelier_render.store.queue import LATE, change_queues, claim_jobs, depths
from atelier_render.store.retention import (
    Reason,
    doom_inputs,
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
from atelier_render.store.submissions import (
    Closing,
    abandon_submissions,
    begin_submission,
    close_submissions,
    end_submission,
    mark_reconciling,
    note_skipped,
    open_submission,
)

__all__ = [
    "LATE",
    "Closing",
    "Earlier",
    "Measured",
    "Reason",
    "abandon_submissions",
    "add_durations",
    "begin_submission",
    "change_queues",
    "claim_jobs",
    "close_submissions",
    "depths",
    "doom_inputs",
    "doom_objects",
    "due_objects",
    "durations",
    "end_submission",
    "equal_result",
    "extend_leases",
    "finish_jobs",
    "forget_objects",
    "forget_requests",
    "free_lost_jobs",
    "give_back",
    "lock_old_results",
    "mark_reconciling",
    "named_keys",
    "note_skipped",
    "only_sweeper",
    "open_submission",
    "promise",
    "prune_jobs",
    "retire_results",
    "standing",
    "tell_again",
]
