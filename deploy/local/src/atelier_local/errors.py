"""The one kind of failure a person at the terminal sees: a clear sentence, and what to do about it."""


class StackError(Exception):
    """The stack cannot do what was asked; the message is one sentence for a person."""


class MissingPart(StackError):
    """A required program is not installed."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} is not installed; install it with: {remedy}")
        self.remedy = remedy
