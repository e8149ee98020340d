"""Which faults are done, and when it is enough: every fault in the order of the seed, then kills until the goals
of the run are reached."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import get_args

from atelier_messaging.failpoints import Step

SERVICES = ("gateway", "session", "billing", "render")
STATES = ("reserving", "queued", "rendering", "stopping", "delivering", "capturing", "refunding")
"""A saga's states between its first command and its end."""
STEPS: Sequence[Step] = get_args(Step)
TURNS_MAX = 60
"""After so many turns of kills, goals that are not reached stay so."""
OTHERS_A_TURN = 6
"""How many faults of another kind come with each turn of kills."""

Cell = tuple[str, str]
"""A process and a step of the protocol, or a process and a state of a saga."""


class NotDone(Exception):
    """A fault that could not be done; what it says is why."""


@dataclass(frozen=True, slots=True)
class FaultOutcome:
    """What became of one fault."""

    name: str
    after_s: float
    """Since the load began."""
    at: datetime
    """When its effect began; of a kill, when the process died."""
    said: str
    is_done: bool = True
    recovery_s: float | None = None
    """Until every part was ready again; None where the next fault did not wait for that."""

    def __str__(self) -> str:
        return f"{self.after_s:6.1f} s  {self.name}: {self.said if self.is_done else f'not done: {self.said}'}"

    @property
    def is_kill(self) -> bool:
        """Whether a process was killed with SIGKILL."""
        return self.is_done and self.name.startswith("kill ")

    @property
    def killed(self) -> str | None:
        """The service that was killed alone."""
        victim = self.name.split()[1] if self.is_kill else ""
        return victim if victim in SERVICES else None

    @property
    def cell(self) -> Cell | None:
        """The process and the step at which it was killed."""
        words = self.name.split()
        return (words[1], words[2]) if self.is_kill and len(words) == 3 and words[2] in STEPS else None


@dataclass(frozen=True, slots=True)
class Goals:
    """When a run has done enough; 0 asks for nothing."""

    generations: int = 0
    kills: int = 0
    each: int = 0
    """Kills of each process at each step of the protocol, and while a saga is in each of its states."""


NO_GOALS = Goals()


@dataclass
class Progress:
    """What a run has done so far."""

    outcomes: list[FaultOutcome] = field(default_factory=list)
    generations: int = 0
    states: Mapping[Cell, int] = field(default_factory=dict)
    """Kills of each process while a saga was in each state."""

    @property
    def kills(self) -> int:
        """How many processes were killed."""
        return sum(outcome.is_kill for outcome in self.outcomes)

    @property
    def steps(self) -> Counter[Cell]:
        """Kills of each process at each step."""
        return Counter(outcome.cell for outcome in self.outcomes if outcome.cell)

    def lacking_steps(self, goals: Goals) -> list[Cell]:
        """Processes and steps that were met too seldom."""
        steps = self.steps
        return [(service, step) for service in SERVICES for step in STEPS if steps[service, step] < goals.each]

    def lacking_states(self, goals: Goals) -> list[Cell]:
        """Processes and states of sagas that were met too seldom."""
        return [(who, state) for who in SERVICES for state in STATES if self.states.get((who, state), 0) < goals.each]

    def lacking(self, goals: Goals) -> Iterator[str]:
        """A line for each goal that is not reached."""
        if self.generations < goals.generations:
            yield f"{self.generations} generations of {goals.generations}"
        if self.kills < goals.kills:
            yield f"{self.kills} kills of {goals.kills}"
        for where, cells in (("at", self.lacking_steps(goals)), ("with a saga", self.lacking_states(goals))):
            yield from (f"{who} killed {where} {what} fewer than {goals.each} times" for who, what in cells)


def next_turn(progress: Progress, goals: Goals, names: Sequence[str], rng: random.Random) -> list[str]:
    """The faults to do next, of these names: none where all goals are reached. Steps that lack kills come first, then
    processes of which a state lacks kills, then any kill; a few faults of another kind are among them."""
    if not any(progress.lacking(goals)):
        return []
    kills = [name for name in names if name.startswith("kill ")]
    steps, victims = progress.lacking_steps(goals), {who for who, _ in progress.lacking_states(goals)}
    chosen = (
        [name for name in kills if tuple(name.split()[1:]) in steps]
        or [name for name in kills if name.split()[1] in victims]
        or kills.copy()
    )
    others = [name for name in names if name not in kills]
    chosen += rng.sample(others, min(OTHERS_A_TURN, len(others)))
    rng.shuffle(chosen)
    return chosen
