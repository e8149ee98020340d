"""What each kind of work needs as input. Pure; one table."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from atelier_contracts import Kind, Work
from atelier_contracts.value_objects import IMAGES_MAX, PHOTOS_MAX, Role
from atelier_gateway.web.problems import Problem, field_problem
from atelier_pricing import Price, price


class InputRules(NamedTuple):
    """How many inputs of each role, (least, most); a role that is not named is not taken. ``words``: it needs a prompt,
    or in its stead an input of this role."""

    roles: Mapping[Role, tuple[int, int]]
    prompt_substitute: Role | None = None


INPUT_RULES: Mapping[Kind, InputRules] = {
    "try_on": InputRules({"person": (1, 1), "garment": (1, PHOTOS_MAX - 1)}),
    "product_shot": InputRules({"product": (1, 5), "model": (0, 3)}),
    "image": InputRules({"image": (0, IMAGES_MAX), "mask": (0, 1)}, prompt_substitute="image"),
    "on_model": InputRules({"photo": (1, PHOTOS_MAX)}),
    "flat_lay": InputRules({"photo": (1, PHOTOS_MAX)}),
    "narration": InputRules({"text": (0, 1)}, prompt_substitute="text"),
}


def check_inputs(kind: Kind, roles: Iterable[Role], prompt: str | None) -> None:
    """Raises Problem 400 naming the role that is missing or too many."""
    needs, it = INPUT_RULES[kind], f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    counted, has_prompt = Counter(roles), bool((prompt or "").strip())
    for role, count in counted.items():
        if role not in needs.roles:
            raise field_problem("inputs", f"{it} takes no {role}.")
        if count > needs.roles[role][1]:
            raise field_problem("inputs", f"{it} takes at most {needs.roles[role][1]} of role {role}.")
    for role, (least, _) in needs.roles.items():
        if counted[role] < least:
            raise field_problem("inputs", f"{it} needs {least} of role {role}.")
    if needs.prompt_substitute and not counted[needs.prompt_substitute] and not has_prompt:
        raise field_problem("prompt", f"{it} needs one, or an input of role {needs.prompt_substitute}.")
    if counted["mask"] and not has_prompt:
        raise field_problem("prompt", "a masked edit needs one.")


def price_or_refuse(work: Work) -> Price:
    """Its price. Raises Problem 422 where the book has none, naming what it has a price for: refused, never free."""
    found = price(work.kind, quality=work.quality, size=work.size, n=work.n, characters=work.characters)
    if isinstance(found, Price):
        return found
    field = "quality" if found.qualities else "size"
    there_are = found.qualities or found.sizes
    why = f"{found.reason}; it has one for {', '.join(there_are)}" if there_are else found.reason
    errors = {"errors": [{"field": field, "message": why}]} if there_are else None
    raise Problem("unpriced", f"{why[:1].upper()}{why[1:]}.", details=errors)
