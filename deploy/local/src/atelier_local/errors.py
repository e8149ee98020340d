"""Failures that a person at the terminal sees: one clear sentence each, and what to do about it."""


class StackError(Exception):
    """The stack cannot do what was requested; the message is one sentence for a person."""


class MissingPart(StackError):
    """A required program is not installed."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} is not installed; install it with: {remedy}")
        self.remedy = remedy


class AtelierError(StackError):
    """A call of the API failed, or its answer is wrong; the text says what, in one sentence."""


class BrokenPromise(AtelierError):
    """A promise was broken for one generation, whose timeline says more."""

    def __init__(self, what: str, generation: str) -> None:
        super().__init__(what)
        self.generation = generation
