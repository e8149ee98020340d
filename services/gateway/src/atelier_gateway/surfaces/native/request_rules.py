"""How often a caller may create: an owner, and each client token of theirs."""

from dataclasses import dataclass

from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.rate_limits.limiter import RateLimitRule
from atelier_gateway.rate_limits.request_limits import RequestLimits
from atelier_gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class RequestRules:
    """Of an owner: generations, quotes and client tokens. Of one client token: generations, quotes and uploads."""

    per_owner: RateLimitRule
    per_token: RateLimitRule

    async def take(self, gate: RequestLimits, principal: Principal) -> None:
        """Counts the request, a token's first: what it is refused takes nothing from its owner. Raises Problem 429."""
        if principal.client is not None:
            await gate.take(self.per_token, str(principal.client.id))
        await gate.take(self.per_owner, f"{principal.owner.kind}:{principal.owner.id}")


def request_rules(settings: Settings) -> RequestRules:
    """As they are set."""
    return RequestRules(
        owner_rule(settings.native_requests_per_minute),
        RateLimitRule("client-token", settings.client_token_requests_per_minute, 60),
    )


def owner_rule(per_minute: int) -> RateLimitRule:
    """How often an owner may create, of whatever kind."""
    return RateLimitRule("native-owner", per_minute, 60)
