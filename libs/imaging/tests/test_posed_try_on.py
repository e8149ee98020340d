"""On photographs of people: the garment follows the pose, and what is not clothes stays."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atelier_imaging import pose_model
from atelier_imaging.body_frames import Limb, body_frames
from atelier_imaging.body_parts import distinguish_parts
from atelier_imaging.decoder import Photo, normalise
from atelier_imaging.face import detect_face
from atelier_imaging.face_model import find_face
from atelier_imaging.garment import cut_out
from atelier_imaging.garment_profile import measure_profile
from atelier_imaging.geometry import Pixels, Plane, fit_within
from atelier_imaging.pose_model import Points, Pose, find_pose
from atelier_imaging.sample_garments import sample_garment
from atelier_imaging.try_on import SIDE_MAX_PX, SIDE_MIN_PX, dress, try_on
from atelier_imaging.try_on_comparison import find_regions, measure

PHOTOS = Path(__file__).parents[3] / "docs" / "pictures" / "try-on"
posed = pytest.mark.skipif(pose_model._model_path() is None, reason="no wheel of the pose model for this interpreter")


def photo(name: str) -> Photo:
    read = normalise((PHOTOS / f"{name}.jpg").read_bytes())
    assert isinstance(read, Photo)
    return read


def shoulders_of(rgb: Pixels) -> Points:
    pose = find_pose(rgb)
    assert pose is not None
    return pose.points[[11, 12]]


def standing_pose() -> Pose:
    """Upright in a picture of 300 x 600: shoulders at 150, hips at 330, legs straight, arms hanging."""
    points = np.zeros((33, 2), np.float32)
    points[[2, 5]], points[[7, 8]], points[[9, 10]] = (
        ((160, 70), (140, 70)),
        ((170, 75), (130, 75)),
        ((157, 95), (143, 95)),
    )
    points[[11, 12]], points[[23, 24]] = ((210, 150), (90, 150)), ((185, 330), (115, 330))
    points[[13, 14]], points[[15, 16]] = ((220, 240), (80, 240)), ((225, 320), (75, 320))
    points[[17, 19, 21]], points[[18, 20, 22]] = (226, 345), (74, 345)
    points[[25, 26]], points[[27, 28]] = ((185, 460), (115, 460)), ((185, 580), (115, 580))
    person = np.zeros((600, 300), np.float32)
    person[40:590, 70:230] = 1
    return Pose(points, np.ones(33, np.float32), 1.0, person)


def share_in(plane: Plane, *, x: tuple[float, float], y: tuple[float, float]) -> float:
    height, width = plane.shape
    rows, columns = (slice(int(a * side), int(b * side)) for (a, b), side in ((y, height), (x, width)))
    return float((plane[rows, columns] > 0.5).mean())


def test_the_trunks_axis_counts_from_the_shoulders_to_the_hips_and_the_ankles() -> None:
    frames = body_frames(standing_pose())

    down, right = frames.trunk_coordinates()

    assert down[150, 150] == pytest.approx(0, abs=0.01)
    assert down[330, 150] == pytest.approx(1, abs=0.01)
    assert down[579, 150] == pytest.approx(2.7, abs=0.02)
    assert right[240, 200] == pytest.approx(50, abs=0.5)
    assert frames.shoulder == 60


def test_a_bent_arm_is_measured_along_both_its_parts() -> None:
    arm = Limb(np.array([[0.0, 0.0], [40.0, 0.0], [40.0, 40.0]]), (8, 6, 4), 1.0)

    along, off = arm.coordinates((60, 60))

    assert along[0, 20] == pytest.approx(0.5)
    assert along[30, 40] == pytest.approx(1.75)
    assert abs(off[5, 20]) == pytest.approx(5)


def test_each_cut_is_told_by_its_shape() -> None:
    cuts = {
        name: measure_profile(cut_out(sample_garment(name))).cut for name in ("striped", "checked", "dress", "trousers")
    }

    assert cuts == {"striped": "top", "checked": "top", "dress": "dress", "trousers": "trousers"}


@posed
def test_the_joints_and_the_silhouette_of_a_standing_man_are_found() -> None:
    pose = find_pose(photo("standing").rgb)

    assert pose is not None
    height = pose.person.shape[0]
    shoulders, hips, ankles = (pose.points[list(pair), 1].mean() / height for pair in ((11, 12), (23, 24), (27, 28)))
    assert 0.15 < shoulders < 0.3 < hips < 0.5 < 0.7 < ankles
    assert 0.08 < (pose.person > 0.5).mean() < 0.3


@posed
@pytest.mark.parametrize(("name", "wide", "below"), [("standing", 2.2, 0.1), ("strap", 2.2, 0.5), ("garden", 2.2, 0.1)])
def test_a_portrait_has_its_shoulders_where_the_whole_photograph_has_them(name: str, wide: float, below: float) -> None:
    whole = fit_within(photo(name).rgb, SIDE_MAX_PX, side_min_px=SIDE_MIN_PX)
    shoulders = shoulders_of(whole)
    half = float(np.hypot(*(shoulders[0] - shoulders[1]))) / 2
    middle = shoulders.mean(axis=0)
    left, right = (int(np.clip(middle[0] + side * wide * half, 0, whole.shape[1])) for side in (-1, 1))
    bottom = int(middle[1] + below * half)
    top = max(0, bottom - (right - left))

    portrait = fit_within(np.ascontiguousarray(whole[top:bottom, left:right]), SIDE_MAX_PX, side_min_px=SIDE_MIN_PX)

    found = shoulders_of(portrait) * (right - left) / portrait.shape[1] + (left, top)
    assert np.hypot(*(found - shoulders).T).mean() < 0.3 * half


@posed
def test_the_silhouette_of_a_portrait_holds_hair_and_leaves_the_wall_out() -> None:
    silhouettes = {}
    for name in ("long-hair", "cup"):
        pose = find_pose(photo(name).rgb)
        assert pose is not None
        silhouettes[name] = pose.person

    assert share_in(silhouettes["long-hair"], x=(0.2, 0.23), y=(0.48, 0.52)) > 0.9
    assert share_in(silhouettes["cup"], x=(0.93, 0.97), y=(0.62, 0.68)) < 0.1


@posed
@pytest.mark.parametrize("name", ["garden", "lunge"])
def test_clothes_of_the_hairs_colour_are_clothes(name: str) -> None:
    canvas = fit_within(photo(name).rgb, SIDE_MAX_PX, side_min_px=SIDE_MIN_PX)
    pose = find_pose(canvas)
    assert pose is not None
    frames = body_frames(pose)
    parts = distinguish_parts(canvas, pose, frames)
    down, right = frames.trunk_coordinates()
    worn = (parts.person > 0.5) & (parts.head < 0.5) & (parts.hair < 0.5) & (down > -0.3) & (down < 1)
    weave = np.random.default_rng(2).normal(0, 3, (*frames.shape, 1))
    dyed = np.where(worn[..., None], np.median(canvas[parts.hair > 0.9], axis=0) + weave, canvas)

    seen = distinguish_parts(np.clip(dyed, 0, 255).astype(np.uint8), pose, frames)

    chest = (down > 0.15) & (down < 0.7) & (np.abs(right) < 0.8 * frames.shoulder)
    assert seen.clothes[chest].mean() > 0.9


def test_the_cheek_of_a_tilted_head_lies_before_the_garment() -> None:
    pose = standing_pose()
    pose.points[[2, 5]], pose.points[[9, 10]] = (120, 100), (160, 140)
    pose.points[[7, 8]] = (141, 79), (99, 121)

    parts = distinguish_parts(np.full((600, 300, 3), 128, np.uint8), pose, body_frames(pose))

    assert parts.head[146:152, 112:118].min() > 0.9


@posed
def test_head_and_background_keep_their_pixels_and_the_garment_its_colour() -> None:
    person, garment = photo("arms-out"), sample_garment("plain")
    canvas = fit_within(person.rgb, SIDE_MAX_PX, side_min_px=SIDE_MIN_PX)

    picture, model = dress(person, [garment], seed=1)

    regions = find_regions(canvas)
    assert regions is not None
    measures = measure(canvas, regions, cut_out(garment), picture)
    assert model == "mediapipe-pose-0.10.21"
    assert measures.untouched > 0.99
    assert measures.covered > 0.95
    assert measures.colour < 12


@posed
def test_hair_over_the_shoulders_lies_before_the_garment() -> None:
    person, garment = photo("long-hair"), sample_garment("plain")
    canvas = fit_within(person.rgb, SIDE_MAX_PX, side_min_px=SIDE_MIN_PX)

    picture, _ = dress(person, [garment], seed=1)

    strand = np.s_[
        int(0.8 * canvas.shape[0]) : int(0.84 * canvas.shape[0]),
        int(0.36 * canvas.shape[1]) : int(0.38 * canvas.shape[1]),
    ]
    assert np.abs(picture[strand].astype(int) - canvas[strand]).mean() < 12


@posed
def test_a_second_upper_garment_is_worn_open_over_the_first() -> None:
    canvas = fit_within(photo("arms-out").rgb, SIDE_MAX_PX, side_min_px=SIDE_MIN_PX)
    pose = find_pose(canvas)
    assert pose is not None
    frames = body_frames(pose)
    down, right = frames.trunk_coordinates()
    height = (down > 0.3) & (down < 0.8)

    picture, _ = dress(photo("arms-out"), [sample_garment("plain"), sample_garment("striped")], seed=1)

    is_red = (picture[..., 0] > 110) & (picture[..., 2] < 90)
    assert is_red[height & (np.abs(right) < 0.3 * frames.shoulder)].mean() > 0.95
    beside = height & (np.abs(right) > 0.65 * frames.shoulder) & (np.abs(right) < 0.9 * frames.shoulder)
    assert is_red[beside].mean() < 0.05


@posed
def test_a_face_that_the_cascade_misplaces_is_found_by_the_model() -> None:
    picture = photo("squat").rgb
    pose = find_pose(picture)
    assert pose is not None
    eyes_x, eyes_y = pose.points[[2, 5]].mean(axis=0)

    face, misplaced = find_face(picture), detect_face(picture)

    assert face is not None
    assert misplaced is not None
    assert np.hypot(face.middle - eyes_x, face.below(0.4) - eyes_y) < 0.4 * face.width
    assert misplaced.y > eyes_y


@posed
def test_the_same_photograph_gives_the_same_pixels() -> None:
    first, second = (try_on(photo("squat"), [sample_garment("striped")], seed=3) for _ in range(2))

    assert np.array_equal(first, second)


def test_without_the_model_garments_hang_as_before_and_no_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pose_model, "_model_path", lambda: None)

    picture, model = dress(photo("astronaut"), [sample_garment("plain")], seed=1)

    assert model == ""
    assert max(picture.shape) == SIDE_MIN_PX


@posed
@pytest.mark.parametrize("name", ["plain", "striped", "checked", "dress"])
def test_a_garment_that_lies_flat_is_no_person(name: str) -> None:
    assert find_pose(sample_garment(name).rgb) is None


def test_a_picture_of_nobody_has_no_pose() -> None:
    noise = Image.effect_noise((400, 400), 40).convert("RGB")

    assert find_pose(np.asarray(noise)) is None
