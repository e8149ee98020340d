"""The rules that decide a dispute: pure functions over the evidence. ``docs/surfaces/disputes.md`` states each of them.

Only evidence moves credits. What a customer says decides nothing: it shows an operator what to look at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

CheckName = Literal[
    "stored", "unaltered", "opens", "format_as_asked", "size_as_asked", "not_blank", "not_an_input", "long_enough"
]
CheckResult = Literal["right", "wrong", "unknown"]
Reason = Literal[
    "does_not_open", "blank", "wrong_size", "wrong_format", "same_as_input", "incomplete", "poor_quality", "other"
]
Policy = Literal["off", "evidence", "review"]
Decision = Literal["refund", "decline", "review"]
Rule = Literal[
    "broken_output", "nothing_wrong", "not_examined", "monthly_limit", "left_to_operator", "operator", "returned_before"
]
EXPLANATIONS: Mapping[Rule, str] = {
    "broken_output": "A check of at least one output failed; what was charged for the outputs at fault is returned.",
    "nothing_wrong": "Every check of every disputed output passed.",
    "not_examined": "A check could not be made; an operator decides.",
    "monthly_limit": "The rules have refunded as many disputes of this account as they may; an operator decides.",
    "left_to_operator": "Every check passed; this installation lets an operator decide.",
    "operator": "An operator decided.",
    "returned_before": "What is charged was returned already.",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One question put to an output, and what was found, in a sentence."""

    name: CheckName
    result: CheckResult
    details: str


@dataclass(frozen=True, slots=True)
class OutputEvidence:
    """The checks of one output; ``output`` is its place among the generation's outputs, from 0."""

    output: int
    checks: tuple[Check, ...]

    def has(self, result: CheckResult) -> bool:
        """Whether a check came out so."""
        return any(check.result == result for check in self.checks)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, by which rule, and the outputs that are refunded."""

    decision: Decision
    rule: Rule
    broken: tuple[int, ...] = ()


def decide(evidence: Sequence[OutputEvidence], *, policy: Policy, refunds: int, refunds_max: int) -> Verdict:
    """The verdict. ``refunds``: disputes of this owner that rules refunded within the last 30 days."""
    if any(each.has("unknown") for each in evidence):
        return Verdict("review", "not_examined")
    broken = tuple(each.output for each in evidence if each.has("wrong"))
    if broken:
        return (
            Verdict("review", "monthly_limit") if refunds >= refunds_max else Verdict("refund", "broken_output", broken)
        )
    if policy == "review":
        return Verdict("review", "left_to_operator")
    return Verdict("decline", "nothing_wrong")
