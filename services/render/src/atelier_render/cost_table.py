"""What providers charge, as the operator declares it: a TOML file of versions, each valid from a moment on.

Money is in whole micro-units (millionths) of one currency; nothing is ever a float. A submission's cost is rounded up
to a whole micro-unit, once.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, ValidationError, model_validator

from atelier_render.usage import Usage, UsageMeter

MILLION = 1_000_000
MICROS_MAX = 10**12
"""A million units of the currency: more is a misplaced digit."""
Micros = Annotated[StrictInt, Field(ge=0, le=MICROS_MAX)]


class UnusableCosts(Exception):
    """The file is no cost table; the text names the file and the fault."""


def _moment(value: object) -> object:
    """A date is its first moment in UTC."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value, time.min, UTC) if isinstance(value, date) else value


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Price(_Declared):
    """What one model of a provider costs, in micro-units; what is left out costs nothing."""

    provider: str = Field(min_length=1)
    model: str = Field(min_length=1)
    """The provider's own name of it; ``*`` for each of the provider's models that has no entry."""
    per_million_input_text_tokens: Micros = 0
    per_million_input_image_tokens: Micros = 0
    per_million_output_text_tokens: Micros = 0
    per_million_output_image_tokens: Micros = 0
    per_million_characters: Micros = 0
    per_thousand_seconds: Micros = 0
    per_thousand_units: Micros = 0
    """Of the units that the provider says it bills, as fal and BFL do."""
    per_output: Micros = 0
    most_per_output: Micros
    """The most that one output can cost: what an unknown outcome is counted with."""

    def cost(self, usage: Usage) -> int:
        """Of this usage, rounded up."""
        millionths = (
            usage.input_text_tokens * self.per_million_input_text_tokens
            + usage.input_image_tokens * self.per_million_input_image_tokens
            + usage.output_text_tokens * self.per_million_output_text_tokens
            + usage.output_image_tokens * self.per_million_output_image_tokens
            + usage.characters * self.per_million_characters
            + usage.milliseconds * self.per_thousand_seconds
            + usage.milliunits * self.per_thousand_units
            + usage.outputs * self.per_output * MILLION
        )
        return -(-millionths // MILLION)


class CostVersion(_Declared):
    """The prices that are valid from a moment until the next version's."""

    version: str = Field(min_length=1, max_length=64)
    valid_from: Annotated[datetime, BeforeValidator(_moment)]
    credit_value: Micros | None = None
    """What one credit brings, on average of all that was paid; without it there is no revenue in money."""
    prices: tuple[Price, ...] = ()

    @model_validator(mode="after")
    def _one_price_each(self) -> Self:
        named = [(price.provider, price.model) for price in self.prices]
        if twice := {f"{provider} {model}" for provider, model in named if named.count((provider, model)) > 1}:
            raise ValueError(f"two prices for {', '.join(sorted(twice))}")
        return self


class CostTable(_Declared):
    """All versions, in one currency."""

    currency: str = Field(pattern="^[A-Z]{3}$")
    """ISO 4217."""
    versions: tuple[CostVersion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        moments = [version.valid_from for version in self.versions]
        if moments != sorted(set(moments)):
            raise ValueError("versions are to be in the order of valid_from, each from another moment")
        names = [version.version for version in self.versions]
        if len(set(names)) < len(names):
            raise ValueError("two versions have one name")
        return self

    def tariff(self, provider: str, at: datetime) -> "Tariff | None":
        """The prices of a provider at a moment; None before the first version, and for who has no price."""
        valid = [version for version in self.versions if version.valid_from <= at]
        prices = tuple(price for price in valid[-1].prices if price.provider == provider) if valid else ()
        return Tariff(self.currency, valid[-1].version, prices) if prices else None

    def has_price(self, version: str | None, provider: str, model: str | None) -> bool:
        """Whether a model of a provider has a price in the version of this name."""
        prices = (price for named in self.versions if named.version == version for price in named.prices)
        return any(price.provider == provider and price.model in (model, "*") for price in prices)


@dataclass(frozen=True, slots=True)
class Tariff:
    """The prices of one provider in one version."""

    currency: str
    version: str
    prices: Sequence[Price]

    def price_of(self, model: str | None) -> Price | None:
        """The price of a model."""
        named = {price.model: price for price in self.prices}
        return named.get(model or "*") or named.get("*")

    def most(self, model: str | None, outputs: int) -> int:
        """The most that so many outputs can cost: of the model where it has a price, else of any."""
        price = self.price_of(model)
        return outputs * (price.most_per_output if price else max(each.most_per_output for each in self.prices))


@dataclass(frozen=True, slots=True)
class SubmissionCost:
    """What is known of a submission's cost, in micro-units. ``cost`` is None where the model has no price;
    ``exposure`` is the most that calls may cost whose outcome is not known."""

    cost: int | None
    exposure: int
    currency: str
    version: str


def cost_of(tariff: Tariff | None, meter: UsageMeter, ceiling: int, *, is_known: bool) -> SubmissionCost | None:
    """What a submission cost and may still cost. ``ceiling`` is the most that all of it can cost; ``is_known``: its
    outcome is. None without a tariff."""
    if tariff is None:
        return None
    price = tariff.price_of(meter.model) if meter.calls else None
    cost = price.cost(meter.usage) if price else None
    exposure = 0 if is_known else ceiling
    if meter.calls:
        exposure = -(-ceiling * (meter.calls - meter.answers) // meter.calls)
    return SubmissionCost(cost, exposure, tariff.currency, tariff.version)


def read_cost_table(file: Path) -> CostTable:
    """The table in the file. Raises UnusableCosts."""
    try:
        return CostTable.model_validate(tomllib.loads(file.read_text()))
    except OSError as error:
        raise UnusableCosts(f"the costs cannot be read from {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnusableCosts(f"{file} is not TOML: {error}") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'file'}: {each['msg']}" for each in error.errors())
        raise UnusableCosts(f"{file} is no cost table: {faults}") from None
