"""A route of the API."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Route:
    """Method and path; the path may hold one name in braces: ``{id}``, ``{month}``."""

    method: str
    path: str

    def path_of(self, id: str) -> str:
        """The path of this id, however it is written."""
        before, _, rest = self.path.partition("{")
        return before + quote(id, safe="") + rest.partition("}")[2]
