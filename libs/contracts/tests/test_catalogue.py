"""The catalogue's ids are what clients keep: each leads to itself, and the examples of seed 004 exist."""

from atelier_contracts.catalogue import BACKGROUNDS, MANNEQUINS


def test_every_entry_is_found_by_its_own_id() -> None:
    assert all(figure.id == id_ for id_, figure in MANNEQUINS.items())
    assert all(ground.id == id_ for id_, ground in BACKGROUNDS.items())


def test_the_ids_of_the_seeds_examples_exist() -> None:
    assert {"123", "model_abc"} <= MANNEQUINS.keys()
    assert {"456", "bg_studio_white"} <= BACKGROUNDS.keys()


def test_every_colour_is_three_bytes() -> None:
    colours = [colour for figure in MANNEQUINS.values() for colour in (figure.skin, figure.hair)]
    colours += [colour for ground in BACKGROUNDS.values() for colour in (ground.first, ground.second)]
    assert all(len(colour) == 3 and all(0 <= part <= 255 for part in colour) for colour in colours)
