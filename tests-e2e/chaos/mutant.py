"""A guard that is taken out of a copy of the code."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """A guard, how it is taken away, and who notices."""

    guard: str
    file: str
    code: str
    instead: str
    test: str

    def mutate(self, text: str) -> str:
        """The file without the guard. Raises ValueError where its code is not there, once."""
        if text.count(self.code) != 1:
            raise ValueError(f"{self.file} has {self.code!r} {text.count(self.code)} times")
        return text.replace(self.code, self.instead)
