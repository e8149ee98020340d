"""All SQL of render. Each statement serves a whole batch.

Locks are taken in one order in every transaction: jobs by generation id, then, once and last, tenant queues by owner.
Otherwise handler, claims, beats and endings, which are at work at the same time, would deadlock all day. Time is the
database's alone.
"""

from atelier_render.store.artefacts import Earlier, equal_result, finish_jobs, tell_again
from atelier_render.store.durations import Measured, add_durations, durations, job_queue_state, promise
from atelier_render.store.leases import extend_leases, give_back, release_lost_jobs
from atelier_render.store.queue import (
    LATE,
    change_queues,
    claim_jobs,
    depths,
    get_oldest_waiting_s,
    is_any_waiting,
    write_jobs,
)
from atelier_render.store.retention import (
    Reason,
    deletable_objects,
    forget_objects,
    forget_requests,
    keys_with_rows,
    lock_old_results,
    only_sweeper,
    prune_jobs,
    retire_results,
    schedule_deletion,
    schedule_input_deletion,
    withdraw_outputs,
)
from atelier_render.store.submissions import (
    Closing,
    Figures,
    abandon_submissions,
    begin_submission,
    close_submissions,
    end_submission,
    figures_of,
    mark_reconciling,
    note_skipped,
    open_submission,
    record_accepted,
)

__all__ = [
    "LATE",
    "Closing",
    "Earlier",
    "Figures",
    "Measured",
    "Reason",
    "abandon_submissions",
    "add_durations",
    "begin_submission",
    "change_queues",
    "claim_jobs",
    "close_submissions",
    "deletable_objects",
    "depths",
    "durations",
    "end_submission",
    "equal_result",
    "extend_leases",
    "figures_of",
    "finish_jobs",
    "forget_objects",
    "forget_requests",
    "get_oldest_waiting_s",
    "give_back",
    "is_any_waiting",
    "job_queue_state",
    "keys_with_rows",
    "lock_old_results",
    "mark_reconciling",
    "note_skipped",
    "only_sweeper",
    "open_submission",
    "promise",
    "prune_jobs",
    "record_accepted",
    "release_lost_jobs",
    "retire_results",
    "schedule_deletion",
    "schedule_input_deletion",
    "tell_again",
    "withdraw_outputs",
    "write_jobs",
]
