"""A route of the API."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Route:
    """Method and path; the path may hold one ``{id}``."""

    method: str
    path: str

    def path_of(self, id: str) -> str:
        """The path of this id, however it is written."""
        return self.path.replace("{id}", quote(id, safe=""))
