"""Dresses the person of one photograph in the garments of others: a pure function of the photographs and the seed."""

import cv2
import numpy as np

from atelier_imaging.body import Body, find_body
from atelier_imaging.body_frames import BodyFrames, body_frames
from atelier_imaging.body_parts import distinguish_parts
from atelier_imaging.decoder import Photo
from atelier_imaging.drape import Fit, drape, reaches_waist
from atelier_imaging.figure import pose_figure
from atelier_imaging.garment import cut_out
from atelier_imaging.garment_measures import Garment
from atelier_imaging.geometry import Pixels, fit_within
from atelier_imaging.pose_model import Pose, find_pose, model_name
from atelier_imaging.posed_drape import drape_posed, shows_legs

SIDE_MIN_PX, SIDE_MAX_PX = 1024, 1536
OPEN_SHARE = 0.45
"""How much of its front a jacket leaves open for what is worn under it."""
CARD_SHARE = 0.24


def try_on(person: Photo, garments: list[Photo], *, seed: int) -> Pixels:
    """The person wearing the garments, (height, width, 3) sRGB with a long side of 1024 to 1536 pixels."""
    return dress(person, garments, seed=seed)[0]


def dress(person: Photo, garments: list[Photo], *, seed: int) -> tuple[Pixels, str]:
    """The picture of ``try_on``, and the name of the pose model if it was used, else nothing.

    Where the pose model is installed and finds a person, the garments follow the pose and lie behind arms and hair;
    else they hang by the proportions of upright people. Trousers and skirts go on first, then the upper garments
    in the order given, each worn open over the one before.
    A lower garment for which the photograph ends too high is shown as a card in the corner instead.
    """
    cv2.setRNGSeed(seed & 0x7FFFFFFF)
    canvas = fit_within(person.rgb, SIDE_MAX_PX, side_min_px=SIDE_MIN_PX)
    rng = np.random.Generator(np.random.PCG64(seed))
    pose = find_pose(canvas)
    frames = body_frames(pose) if pose else None
    if pose and frames and frames.is_human(pose.person):
        return _dress_pose(canvas, pose, frames, [cut_out(photo) for photo in garments], rng), model_name()
    body = find_body(person, canvas)
    return _dress_upright(canvas, body, [cut_out(photo) for photo in garments], rng), ""


def _dress_pose(
    canvas: Pixels, pose: Pose, frames: BodyFrames, cuts: list[Garment], rng: np.random.Generator
) -> Pixels:
    figure = pose_figure(canvas, frames, distinguish_parts(canvas, pose, frames))
    lower = [garment for garment in cuts if garment.zone == "lower"]
    worn = lower if shows_legs(figure) else []
    for garment in worn:
        canvas = drape_posed(canvas, figure, garment, fit_of(rng, 0))
    for layer, garment in enumerate(garment for garment in cuts if garment.zone == "upper"):
        canvas = drape_posed(canvas, figure, garment, fit_of(rng, 1 - (1 - OPEN_SHARE) ** layer))
    return canvas if worn else _with_cards(canvas, frames.neck[0], lower)


def _dress_upright(canvas: Pixels, body: Body, cuts: list[Garment], rng: np.random.Generator) -> Pixels:
    undressed = canvas
    lower = [garment for garment in cuts if garment.zone == "lower"]
    worn = lower if reaches_waist(canvas, body) else []
    for garment in worn:
        canvas = drape(canvas, undressed, body, garment, fit_of(rng, 0))
    for layer, garment in enumerate(garment for garment in cuts if garment.zone == "upper"):
        canvas = drape(canvas, undressed, body, garment, fit_of(rng, 1 - (1 - OPEN_SHARE) ** layer))
    return canvas if worn else _with_cards(canvas, body.neck_x, lower)


def fit_of(rng: np.random.Generator, open_share: float) -> Fit:
    """How a garment is worn this time; an open share leaves that much of its front open."""
    return Fit(
        tilt_rad=float(rng.normal(0, 0.006)),
        scale=float(rng.normal(1, 0.008)),
        light=float(rng.normal(1, 0.015)),
        fold_seed=int(rng.integers(1 << 62)),
        open_share=open_share,
    )


def _with_cards(canvas: Pixels, neck_x: float, garments: list[Garment]) -> Pixels:
    """Each garment on a white card, side by side along the lower edge, starting in the corner away from the face."""
    height, width = canvas.shape[:2]
    side = int(min(CARD_SHARE * min(height, width), width / max(len(garments), 1)))
    picture = canvas.copy()
    for index, garment in enumerate(garments):
        card = _card(garment, side)
        left = width - (index + 1) * side if neck_x < width / 2 else index * side
        picture[height - side : height, left : left + side] = card
    return picture


def _card(garment: Garment, side: int) -> Pixels:
    on_white = garment.rgb * garment.alpha[..., None] + 250.0 * (1 - garment.alpha[..., None])
    small = fit_within(on_white.astype(np.uint8), int(side * 0.86))
    card = np.full((side, side, 3), 250, np.uint8)
    top, left = (side - small.shape[0]) // 2, (side - small.shape[1]) // 2
    card[top : top + small.shape[0], left : left + small.shape[1]] = small
    return card
