"""The cost table: whole micro-units, versions by date, and what an unknown outcome is counted with."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier_render.cost_table import CostTable, UnusableCosts, cost_of, read_cost_table
from atelier_render.usage import COUNT_MAX, Usage, UsageMeter, count_of

TABLE = """
currency = "USD"

[[versions]]
version = "2026-11"
valid_from = 2026-11-01
credit_value = 10_000

[[versions.prices]]
provider = "openai"
model = "gpt-image-2.6-flare"
per_million_input_text_tokens = 5_000_000
per_million_output_image_tokens = 30_000_000
most_per_output = 500_000

[[versions.prices]]
provider = "openai"
model = "tts-1"
per_million_characters = 15_000_000
most_per_output = 400_000

[[versions]]
version = "2026-12"
valid_from = 2026-12-01T12:00:00Z

[[versions.prices]]
provider = "openai"
model = "*"
per_output = 40_000
most_per_output = 40_000
"""
NOVEMBER = datetime(2026, 11, 30, tzinfo=UTC)
EXAMPLE = Path(__file__).parents[3] / "deploy" / "compose" / "costs.example.toml"
counts = st.integers(0, 10**9)


def table_of(tmp_path: Path, text: str = TABLE) -> CostTable:
    file = tmp_path / "costs.toml"
    file.write_text(text)
    return read_cost_table(file)


def test_a_moment_has_the_prices_of_its_version(tmp_path: Path) -> None:
    table = table_of(tmp_path)

    versions = {
        at: table.tariff("openai", at)
        for at in (datetime(2026, 10, 31, 23, 59, tzinfo=UTC), NOVEMBER, datetime(2026, 12, 1, 12, tzinfo=UTC))
    }

    assert [tariff and tariff.version for tariff in versions.values()] == [None, "2026-11", "2026-12"]
    assert table.tariff("google", NOVEMBER) is None


def test_a_cost_is_rounded_up_once(tmp_path: Path) -> None:
    tariff = table_of(tmp_path).tariff("openai", NOVEMBER)
    assert tariff is not None
    price = tariff.price_of("gpt-image-2.6-flare")
    assert price is not None

    assert price.cost(Usage(input_text_tokens=13, output_image_tokens=1_056, outputs=1)) == 13 * 5 + 1_056 * 30
    assert price.cost(Usage()) == 0
    assert tariff.price_of("tts-1").cost(Usage(characters=1)) == 15  # type: ignore[union-attr]


@given(st.lists(st.builds(Usage, counts, counts, counts, counts, counts, counts, counts), max_size=5))
def test_parts_never_cost_less_than_the_whole_and_at_most_a_micro_unit_more_each(usages: list[Usage]) -> None:
    price = CostTable.model_validate(
        {
            "currency": "EUR",
            "versions": [
                {
                    "version": "1",
                    "valid_from": NOVEMBER,
                    "prices": [
                        {
                            "provider": "p",
                            "model": "m",
                            "per_million_input_text_tokens": 333_333,
                            "per_million_characters": 7,
                            "per_thousand_seconds": 1_234_567,
                            "per_output": 3,
                            "most_per_output": 9,
                        }
                    ],
                }
            ],
        }
    ).versions[0].prices[0]  # fmt: skip

    whole, parts = price.cost(sum(usages, Usage())), sum(price.cost(usage) for usage in usages)

    assert whole <= parts <= whole + max(0, len(usages) - 1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (TABLE.replace("500_000", "0.5", 1), "valid integer"),
        (TABLE.replace('"USD"', '"usd"'), "currency"),
        (TABLE.replace("per_output = 40_000", "per_picture = 40_000"), "per_picture"),
        (TABLE.replace("2026-12-01T12:00:00Z", "2026-10-01"), "order of valid_from"),
        (TABLE.replace('"tts-1"', '"gpt-image-2.6-flare"'), "two prices for openai gpt-image-2.6-flare"),
        (TABLE.replace("most_per_output = 40_000", ""), "most_per_output"),
        (TABLE.replace("5_000_000", "-5", 1), "greater than or equal to 0"),
        ("currency = ", "not TOML"),
    ],
)
def test_a_wrong_table_is_refused_with_the_fault(tmp_path: Path, wrong: str, says: str) -> None:
    with pytest.raises(UnusableCosts, match=says):
        table_of(tmp_path, wrong)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableCosts, match=r"absent\.toml: No such file"):
        read_cost_table(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("calls", "answers", "is_known", "exposure"),
    [(0, 0, False, 900), (0, 0, True, 0), (1, 0, False, 900), (3, 2, True, 300), (4, 4, True, 0), (7, 6, True, 129)],
)
def test_calls_without_an_answer_are_exposure(
    tmp_path: Path, calls: int, answers: int, is_known: bool, exposure: int
) -> None:
    tariff, meter = table_of(tmp_path).tariff("openai", NOVEMBER), UsageMeter()
    for _ in range(calls):
        meter.begin("gpt-image-2.6-flare")
    for _ in range(answers):
        meter.end(Usage(output_image_tokens=100))

    cost = cost_of(tariff, meter, 900, is_known=is_known)

    assert cost is not None
    assert (cost.exposure, cost.currency, cost.version) == (exposure, "USD", "2026-11")
    assert cost.cost == (answers * 3_000 if calls else None)


def test_the_most_of_an_unnamed_model_is_that_of_the_dearest(tmp_path: Path) -> None:
    tariff = table_of(tmp_path).tariff("openai", NOVEMBER)
    assert tariff is not None

    assert (tariff.most("tts-1", 2), tariff.most("a-new-one", 2), tariff.most(None, 1)) == (800_000, 1_000_000, 500_000)


@pytest.mark.parametrize("value", [None, True, -1, 1.5, "12", [3], COUNT_MAX + 1])
def test_what_is_no_count_adds_nothing(value: object) -> None:
    assert (count_of(value), count_of(12)) == (0, 12)


def test_the_example_is_a_table() -> None:
    assert read_cost_table(EXAMPLE).currency == "USD"
