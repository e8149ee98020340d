"""Where a garment belongs on a photographed person: what a model that paints it anew may change, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from atelier_imaging.body_frames import ANKLE, BodyFrames, Limb, body_frames
from atelier_imaging.body_parts import distinguish_parts, face_ellipse
from atelier_imaging.decoder import Photo
from atelier_imaging.drape import Fit
from atelier_imaging.figure import Figure, pose_figure
from atelier_imaging.garment import cut_out
from atelier_imaging.garment_measures import Garment
from atelier_imaging.garment_profile import Cut, measure_profile
from atelier_imaging.geometry import Pixels, Plane, Region, blur
from atelier_imaging.occluders import bare_hands
from atelier_imaging.pictures import ImageRefused, no_person_refusal, no_room_refusal
from atelier_imaging.pose_model import find_pose
from atelier_imaging.posed_drape import WAIST, cloth_on, shows_legs
from atelier_imaging.try_on import OPEN_SHARE

GROWN, SOFT = 0.08, 0.03
"""How far a mask reaches beyond the cloth, and how soft its edge is, in half distances of the shoulder joints."""

AS_IT_IS = Fit(tilt_rad=0, scale=1, light=1, fold_seed=0)
HAND_SEEN = 0.7
"""How visible a hand must be to be kept; the model also imagines hands that are not seen."""


@dataclass(frozen=True, slots=True)
class GarmentMask:
    """``garment`` is a garment's place among those given; ``plane`` (height, width), 0..1 in the person's pixels, is
    where it may be painted: exactly 0 wherever the photograph must stay."""

    garment: int
    plane: Plane


def mask_garments(person: Pixels, garments: Sequence[Photo]) -> list[GarmentMask] | ImageRefused:
    """A mask for each garment, in the order in which they are put on: trousers and skirts, then upper garments as they
    were given, each open over the one before.

    It holds where ``try_on`` would lay the garment and, of the clothes in the photograph, those that it replaces, a
    little grown; of head, hair, bare forearms and hands nothing. Refused where no pose is found, and where the
    photograph ends too high for a garment. The same pictures give the same masks.
    """
    cv2.setRNGSeed(0)
    pose = find_pose(person)
    frames = body_frames(pose) if pose else None
    if pose is None or frames is None or not frames.is_human(pose.person):
        return no_person_refusal()
    figure = pose_figure(person, frames, distinguish_parts(person, pose, frames))
    cuts = [cut_out(photo) for photo in garments]
    lower = [place for place, garment in enumerate(cuts) if garment.zone == "lower"]
    upper = [place for place, garment in enumerate(cuts) if garment.zone == "upper"]
    if lower and not shows_legs(figure):
        return no_room_refusal()
    masks = [GarmentMask(place, _mask(figure, cuts[place])) for place in lower]
    for layer, place in enumerate(upper):
        open_share = 1 - (1 - OPEN_SHARE) ** layer
        masks.append(GarmentMask(place, _mask(figure, cuts[place], open_share)))
    return masks if all(mask.plane.any() for mask in masks) else no_room_refusal()


def _mask(figure: Figure, garment: Garment, open_share: float = 0.0) -> Plane:
    region = cloth_on(figure, garment, replace(AS_IT_IS, open_share=open_share)) > 0.5
    if not open_share:  # what is worn over another garment replaces nothing
        region |= _replaced(figure, measure_profile(garment).cut)
    shoulder = figure.frames.shoulder
    size = 2 * max(1, round(GROWN * shoulder)) + 1
    kernel = np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
    closed = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    grown = blur(cv2.dilate(closed, kernel).astype(np.float32), SOFT * shoulder)
    free = np.clip(1 - _kept(figure) / 0.9, 0, 1) * _paintable(figure, kernel)
    return np.asarray(np.where(grown > 0.05, grown, 0) * free, np.float32)


def _replaced(figure: Figure, cut: Cut) -> Region:
    """The clothes in the photograph that a garment is worn instead of."""
    frames, outline = figure.frames, figure.outline
    down, right = frames.trunk_coordinates()
    below_neck = down > outline.surface(outline.across(down, right)) - 0.04
    arms = _sleeves(frames)
    legs = np.maximum(*(leg.region(frames.shape) for leg in frames.legs)) > 0
    above = ((down < 1) & ~(legs & (down > WAIST)) & below_neck) | arms
    below = (down > WAIST) & (down < ANKLE) & (legs | ~arms)
    where = {"top": above, "dress": above | below, "trousers": below, "skirt": below}[cut]
    return np.asarray((figure.parts.clothes > 0.5) & where)


def _paintable(figure: Figure, kernel: Pixels) -> Region:
    """Below the chin, and on raised arms: what is beside a face is hair or background."""
    frames = figure.frames
    down, _ = frames.trunk_coordinates()
    way = frames.axis[1] - frames.axis[0]
    chin = float((frames.chin - frames.axis[0]) @ way / (way @ way))
    return np.asarray((down > chin) | (cv2.dilate(_sleeves(frames).astype(np.uint8), kernel) > 0))


def _sleeves(frames: BodyFrames) -> Region:
    return np.logical_or(*(_sleeved(arm, frames.shape) for arm in frames.arms))


def _sleeved(arm: Limb, shape: tuple[int, int]) -> Region:
    """An arm from below the shoulder, where it is beside the trunk, to the wrist."""
    return np.asarray((arm.region(shape, wide=1.5) > 0) & (arm.coordinates(shape)[0] > 0.4))


def _kept(figure: Figure) -> Plane:
    """1 on head, hair, hands and bare forearms."""
    parts, size = figure.parts, 2 * round(GROWN * figure.frames.shoulder) + 1
    head = np.maximum(np.maximum(parts.head, parts.hair) * parts.person, face_ellipse(figure.frames))
    whole = cv2.morphologyEx(head, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))  # also between face and hair
    return np.asarray(np.maximum(np.maximum(whole, bare_hands(figure)), _hands(figure)), np.float32)


def _hands(figure: Figure) -> Plane:
    """Hands that are seen, whatever colour they have in this light."""
    frames, drawn = figure.frames, np.zeros(figure.frames.shape, np.float32)
    for arm, knuckles, visible in zip(frames.arms, frames.hands, frames.hands_visible, strict=True):
        if visible > HAND_SEEN:
            way = knuckles - arm.joints[2]
            joints = np.array([arm.joints[2] + share * way for share in (0.5, 1.2, 1.9)])
            hand = Limb(joints, (arm.reach[2], 1.2 * arm.reach[2], arm.reach[2]), arm.visible)
            drawn = np.maximum(drawn, hand.region(frames.shape))
    return np.asarray(blur(drawn, 0.02 * frames.shoulder) * figure.parts.person, np.float32)
