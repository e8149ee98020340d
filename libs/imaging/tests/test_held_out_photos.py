"""Held-out photographs are chosen by a rule, and judged by regions that are drawn on them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atelier_imaging import held_out_photos
from atelier_imaging.body_frames import BodyFrames, body_frames
from atelier_imaging.held_out_photos import SEEN, choose_photos
from atelier_imaging.try_on_comparison import read_regions

from .test_posed_try_on import standing_pose


def with_wrist_before_trunk(frames: BodyFrames) -> BodyFrames:
    arm = frames.arms[0]
    joints = arm.joints.copy()
    joints[2] = (150, 250)
    return replace(frames, arms=(replace(arm, joints=joints), frames.arms[1]))


def test_six_photographs_are_taken_in_order_and_then_six_with_an_arm_before_the_trunk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = body_frames(standing_pose())
    headshot = replace(frames, axis=frames.axis + np.array([0, 440]))
    with_arm = {"010", "012", "014"}

    def people(folder: Path) -> Iterator[tuple[str, BodyFrames]]:
        yield "001", headshot
        for number in (f"{count:03}" for count in range(2, 20)):
            yield number, with_wrist_before_trunk(frames) if number in with_arm else frames

    monkeypatch.setattr(held_out_photos, "_people", people)

    chosen = choose_photos(Path())

    assert list(chosen) == [f"{count:03}" for count in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14)]
    assert list(chosen.values())[:5] == ["plain", "striped", "checked", "dress", "plain"]


def test_numbers_that_were_looked_at_are_never_read(tmp_path: Path) -> None:
    for number in SEEN:
        (tmp_path / f"{number}.jpg").write_bytes(b"no picture")

    assert choose_photos(tmp_path) == {}


def test_drawn_regions_are_polygons_in_hundredths_of_the_picture() -> None:
    square = [(0.0, 0.0), (50.0, 0.0), (50.0, 25.0), (0.0, 25.0)]

    regions = read_regions({"stays": [square], "front": [], "chest": [square]}, np.zeros((400, 200, 3), np.uint8))

    assert regions.stays[:100, :100].all()
    assert not regions.stays[102:].any()
    assert not regions.front.any()
