"""The span of one call of a provider, by OpenTelemetry's conventions for generative AI: what was called, which model,
what it used, and how it ended. A failure is kept whether or not its trace is recorded. No prompt, no picture."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.util.types import AttributeValue

from atelier_render.jobs import Attempt
from atelier_render.provider_calls.retry_policy import outcome_label
from atelier_render.providers.protocol import Failed, Partial, Provider, ProviderJob, ProviderOutcome, Succeeded
from atelier_telemetry import attributes
from atelier_telemetry.tracing import SpanKind, keep_failure, tracer

OPERATION = "generate_content"
PROVIDER_NAMES = {"google": "gcp.gemini"}
"""Providers that the conventions name otherwise than we do."""
SPEECH, IMAGE = "speech", "image"
_spans = tracer(__name__)


class ProviderCallSpan:
    """The span, until its outcome is known."""

    def __init__(self, attempt: Attempt, provider: Provider, order: ProviderJob) -> None:
        self._provider = provider
        self._order = order
        self._began_ns = time.time_ns()
        self._kind = SpanKind.CLIENT if provider.capabilities.remote else SpanKind.INTERNAL
        known: dict[str, AttributeValue] = {
            attributes.GEN_AI_OPERATION: OPERATION,
            attributes.GEN_AI_PROVIDER: PROVIDER_NAMES.get(provider.name, provider.name),
            attributes.GEN_AI_OUTPUT_TYPE: SPEECH if order.spec.kind == "narration" else IMAGE,
            attributes.GENERATION_ID: str(order.generation_id),
            attributes.PROVIDER: provider.name,
            attributes.ATTEMPT: attempt.job.attempt,
        }
        if order.spec.n != 1:
            known[attributes.GEN_AI_CHOICES] = order.spec.n
        self._known = known
        self.span = _spans.start_span(OPERATION, kind=self._kind, attributes=known)

    def record(self, outcome: ProviderOutcome) -> None:
        """How the call ended."""
        word = outcome_label(outcome)[0]
        is_failure = not isinstance(outcome, Succeeded | Partial)
        if not self.span.is_recording() and not is_failure:
            return
        found = self._known | self._usage() | {attributes.OUTCOME: word}
        if isinstance(outcome, Succeeded | Partial) and outcome.model:
            found[attributes.GEN_AI_RESPONSE_MODEL] = outcome.model
        model = found.get(attributes.GEN_AI_REQUEST_MODEL)
        name = f"{OPERATION} {model}" if model else OPERATION
        self.span.update_name(name)
        self.span.set_attributes(found)
        if is_failure:
            error_type = outcome.code if isinstance(outcome, Failed) else word
            keep_failure(self.span, name, error_type, kind=self._kind, attributes=found, began_ns=self._began_ns)

    def _usage(self) -> dict[str, AttributeValue]:
        """What the provider was sent, and says that it used."""
        meter, used = self._order.meter, self._order.meter.usage
        figures: dict[str, AttributeValue | None] = {
            attributes.GEN_AI_REQUEST_MODEL: meter.model or self._order.spec.model,
            attributes.GEN_AI_RESPONSE_ID: meter.request_ids[0] if meter.request_ids else None,
            attributes.GEN_AI_INPUT_TOKENS: used.input_text_tokens + used.input_image_tokens or None,
            attributes.GEN_AI_OUTPUT_TOKENS: used.output_text_tokens + used.output_image_tokens or None,
        }
        return {name: value for name, value in figures.items() if value is not None}


@contextmanager
def trace_call(attempt: Attempt, provider: Provider, order: ProviderJob) -> Iterator[ProviderCallSpan]:
    """The span around one call; ``record`` takes the outcome."""
    call = ProviderCallSpan(attempt, provider, order)
    with trace.use_span(call.span, end_on_exit=True):
        yield call
