"""What a run found: each invariant with the number of things it was checked on, each violation with its timeline."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos import coverage
from chaos.load import Load
from chaos.schedule import Progress

VIOLATIONS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class InvariantResult:
    """One invariant: what was checked, on how many things, and what does not hold."""

    name: str
    checked: str
    violations: tuple[str, ...]


@dataclass
class Findings:
    """Everything a run has to say."""

    seed: int
    command: str
    """What does the same again."""
    progress: Progress
    load: Load
    always: Sequence[str]
    """What was broken while the faults happened."""
    results: list[InvariantResult] = field(default_factory=list)
    stories: dict[str, str] = field(default_factory=dict)
    """Explains of the generations that violations name."""

    def add(self, name: str, checked: str, violations: Iterable[str]) -> None:
        """The answer to one question."""
        self.results.append(InvariantResult(name, checked, tuple(violations)))

    @property
    def faults(self) -> list[str]:
        """A line for each fault, in the order in which they were done."""
        return [str(outcome) for outcome in self.progress.outcomes]

    @property
    def violations(self) -> list[str]:
        """All of them, each with the name of its invariant."""
        return [f"{result.name}: {line}" for result in self.results for line in result.violations]

    def report(self) -> str:
        """For a person: seed, load, faults, invariants, stories, and how to do it again."""
        load = self.load
        statuses = Counter(reply.status for request in load.requests for reply in request.replies)
        unanswered = sum(request.unanswered for request in load.requests)
        lines = [
            f"seed {self.seed}",
            f"load: {len(load.requests)} requests of {len(load.accounts)} clients, ordered ends: "
            + _format_counts(Counter(request.outcome for request in load.requests)),
            "      manners: " + _format_counts(Counter(request.manner for request in load.requests)),
            f"      answers: {_format_counts(statuses)}, none to {unanswered};"
            f" cancels: {_format_counts(load.cancels)}; reads: {load.looks}",
            f"faults: {sum(outcome.is_done for outcome in self.progress.outcomes)} of {len(self.faults)} were done",
            *(f"  {fault}" for fault in self.faults),
            *coverage.describe(self.progress),
            "invariants:",
        ]
        for result in self.results:
            lines.append(f"  {'VIOLATED' if result.violations else 'holds   '}  {result.name}: {result.checked}")
            lines += [f"            {line}" for line in result.violations[:VIOLATIONS_SHOWN]]
        lines += [f"\n{story}" for story in self.stories.values()]
        lines.append(f"again, with the same requests and the same order of faults: {self.command}")
        return "\n".join(lines)


def _format_counts(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1])) or "none"
