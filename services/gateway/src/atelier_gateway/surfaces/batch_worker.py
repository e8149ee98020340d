"""Puts together what makes the rows of batches, from the surfaces whose rows they are."""

from atelier_gateway.batches.endings import RowEndings
from atelier_gateway.batches.files import FileMaker
from atelier_gateway.batches.runner import BatchRunner
from atelier_gateway.batches.worker import BatchWorker
from atelier_gateway.container import Container
from atelier_gateway.surfaces.native.batch_rows import NATIVE, NativeRows
from atelier_gateway.surfaces.openai.batch_lines import OpenAILines
from atelier_gateway.surfaces.openai.batch_output import BatchOutput
from atelier_gateway.surfaces.openai.responses import SURFACE as OPENAI


def build_worker(container: Container) -> BatchWorker:
    """What works at batches in this process."""
    settings, unit = container.settings, container.bus.unit
    runner = BatchRunner(
        unit,
        container.peers,
        container.balance_check,
        container.canceller,
        RowEndings(container.pool, container.peers),
        FileMaker(unit, {OPENAI: BatchOutput(container).measure}, kept_days=settings.batches_kept_days),
        {NATIVE: NativeRows(container), OPENAI: OpenAILines(container)},
        rows_at_once=settings.batch_rows_at_once,
        rows_max=settings.batch_rows_max,
    )
    return BatchWorker(container.pool, runner, container.batches_woken)
