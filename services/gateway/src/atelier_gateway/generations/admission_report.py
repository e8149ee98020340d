"""What an admission came to, for the client and for the log."""

from atelier_gateway.generations.admission_request import Accepted, AdmissionOutcome, Declined, KeyTaken, Unavailable
from atelier_gateway.generations.generation_log import log_admission
from atelier_gateway.generations.token_caps import TokenRefused
from atelier_gateway.projection.store import NewGeneration
from atelier_gateway.web.problems import Problem


def log_outcome(new: NewGeneration, outcome: AdmissionOutcome, *, seconds: float) -> None:
    """One line an admission. A replayed key admits nothing: its access line says that it was answered."""
    match outcome:
        case Accepted():
            log_admission(new, "accepted", None, seconds=seconds)
        case Declined(reason):
            log_admission(new, "rejected", reason, seconds=seconds)
        case Unavailable(certain):
            log_admission(new, "unavailable", "unavailable" if certain else "outcome_unknown", seconds=seconds)
        case TokenRefused(has_ended=has_ended):
            log_admission(new, "rejected", "token_ended" if has_ended else "token_cap_reached", seconds=seconds)
        case KeyTaken():
            pass


def cap_problem(cap: int, used: int, required: int) -> Problem:
    """The 402 of a client token whose cap leaves too little."""
    credits = "1 credit" if required == 1 else f"{required} credits"
    left = max(0, cap - used)
    detail = f"{credits} required, {left} of the {cap} of this client token are left."
    amounts = {"required": required, "available": left, "cap": cap, "used": used}
    return Problem("token_cap_reached", detail, details=amounts)
