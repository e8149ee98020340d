"""Hangs a cut-out garment on a body: bent to shoulders and arms, lit as the person is lit, with its shadow."""

from dataclasses import dataclass

import cv2
import numpy as np

from atelier_imaging.body import Body
from atelier_imaging.garment_measures import Garment, Sleeves
from atelier_imaging.geometry import Pixels, Plane, blur, resize_region, smoothstep
from atelier_imaging.light import contact_shadow, folds, light_on

TRUNK_SHARE = 0.9
"""Of the shoulders' width with arms, what the trunk of a garment spans."""
HIP_SHARE = 0.74
WAIST_FACES = 2.9
"""From the neck down to the waist, in widths of the face."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How one garment is worn: departures from the ideal drawn from the seed, and how far its front stands open."""

    tilt_rad: float
    scale: float
    light: float
    fold_seed: int
    open_share: float = 0.0


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a garment's first row and axis come to lie, in pixels of the canvas; scale is canvas to garment pixels."""

    x: float
    y: float
    scale: float


def reaches_waist(canvas: Pixels, body: Body) -> bool:
    """Whether the photograph shows enough below the waist to wear trousers or a skirt there."""
    return bool(body.neck_y + (WAIST_FACES + 1.5) * body.face_width < canvas.shape[0])


def drape(canvas: Pixels, person: Pixels, body: Body, garment: Garment, fit: Fit) -> Pixels:
    """The canvas with the garment worn on the body found in it, in the light of ``person``, the undressed canvas."""
    place = _place(body, garment, fit)
    across, down = _garment_axes(canvas, body, garment, place, fit)
    worn = _layer(garment, trunk_weight(garment, fit), across, down)
    if garment.sleeves is not None:
        for side, angle in ((-1, body.arms_rad[0]), (1, body.arms_rad[1])):
            hung = _rotate_sleeve(across, down, garment.sleeves, side, angle)
            worn = _over(worn, _layer(garment, _sleeve_weight(garment, garment.sleeves, side), *hung))
    seen = np.ascontiguousarray(worn[..., 3])
    if garment.zone == "upper":
        seen = seen * _within_silhouette(canvas, body)
    cloth = worn[..., :3] / np.maximum(worn[..., 3:], 1e-3)
    brightness = light_on(person, seen, body.face_width) * folds(seen.shape, fit.fold_seed) * fit.light
    under = canvas * contact_shadow(seen, body.face_width)[..., None]
    mixed = under * (1 - seen[..., None]) + cloth * brightness[..., None] * seen[..., None]
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def _place(body: Body, garment: Garment, fit: Fit) -> _Place:
    if garment.zone == "upper":
        return _Place(body.neck_x, body.neck_y, TRUNK_SHARE * body.half_width * fit.scale / garment.half_width)
    waist = body.neck_y + WAIST_FACES * body.face_width
    return _Place(body.shoulder_x, waist, HIP_SHARE * body.half_width * fit.scale / garment.half_width)


def _garment_axes(canvas: Pixels, body: Body, garment: Garment, place: _Place, fit: Fit) -> tuple[Plane, Plane]:
    """For every pixel of the canvas its place on the garment laid flat: across from the axis, down from the top."""
    height, width = canvas.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    if garment.zone == "upper":
        y = y - _rise_to_shoulders(canvas, body, garment, place)[None, :]
    # The trunk leans from the neck to where the shoulders' middle is.
    lean = smoothstep(y, body.neck_y, body.shoulder_y + body.face_width)
    across = x - (place.x + (body.shoulder_x - place.x) * lean)
    down = y - place.y
    return (across + down * fit.tilt_rad) / place.scale, (down - across * fit.tilt_rad) / place.scale


def _rise_to_shoulders(canvas: Pixels, body: Body, garment: Garment, place: _Place) -> Plane:
    """For each column how far the garment moves down so that its upper edge lies on the shoulders."""
    width = canvas.shape[1]
    if body.region is None:
        return np.zeros(width, np.float32)
    # On the way along the shoulders the trunk has leaned half of what it will.
    middle = (body.neck_x + body.shoulder_x) / 2
    half = TRUNK_SHARE * body.half_width
    x = np.arange(width, dtype=np.float32) - middle
    held = np.clip(x, -half, half)
    places = np.clip(garment.axis_x + held / place.scale, 0, len(garment.top_edge) - 1)
    edge = place.y + np.interp(places, np.arange(len(garment.top_edge)), garment.top_edge) * place.scale
    shoulders = _upper_edge(canvas, body)[np.clip(held + middle, 0, width - 1).astype(int)]
    rise = np.clip(shoulders - edge, -0.4 * body.face_width, 0.5 * body.face_width)
    away_from_neck = smoothstep(np.abs(x), 0.3 * half, 0.8 * half)
    moves = np.asarray(rise * away_from_neck, np.float32)
    return np.asarray(blur(moves[None, :], 0.12 * body.face_width)[0], np.float32)


def _upper_edge(canvas: Pixels, body: Body) -> Plane:
    """For each column the first row of the silhouette under the chin."""
    assert body.region is not None
    silhouette = resize_region(body.region, canvas) > 0.5
    silhouette[: max(0, int(body.neck_y - 0.2 * body.face_width))] = False
    return np.asarray(np.where(silhouette.any(axis=0), silhouette.argmax(axis=0), body.shoulder_y), np.float32)


def trunk_weight(garment: Garment, fit: Fit) -> Plane:
    """Everything but the sleeves; worn open, without the strip about the front's middle."""
    weight = np.ones_like(garment.alpha) if garment.sleeves is None else 1 - garment.sleeves.weight
    if fit.open_share:
        off_axis = np.abs(np.arange(weight.shape[1], dtype=np.float32) - garment.axis_x) / garment.half_width
        weight = weight * smoothstep(off_axis, fit.open_share - 0.01, fit.open_share + 0.01)[None, :]
    return np.asarray(weight, np.float32)


def _sleeve_weight(garment: Garment, sleeves: Sleeves, side: int) -> Plane:
    """One sleeve and a round cap about its joint, which closes the gap that turning it would open at the shoulder."""
    height, width = garment.alpha.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    off_axis = (x - garment.axis_x) * side
    cap = np.hypot(off_axis - sleeves.joint_x, y - sleeves.joint_y) / garment.half_width
    return np.asarray(np.maximum(sleeves.weight, 1 - smoothstep(cap, 0.2, 0.34)) * (off_axis > 0), np.float32)


def _rotate_sleeve(across: Plane, down: Plane, sleeves: Sleeves, side: int, arm_rad: float) -> tuple[Plane, Plane]:
    """Coordinates for a sleeve turned about its joint from how it was laid out to how the arm hangs, never upwards."""
    turn = max(0.0, arm_rad - sleeves.angle_rad)
    out, under = across * side - sleeves.joint_x, down - sleeves.joint_y
    flat_out = out * np.cos(turn) + under * np.sin(turn)
    flat_under = under * np.cos(turn) - out * np.sin(turn)
    return (flat_out + sleeves.joint_x) * side, flat_under + sleeves.joint_y


def _layer(garment: Garment, weight: Plane, across: Plane, down: Plane) -> Plane:
    """Part of the garment seen through garment coordinates: premultiplied colours and opacity."""
    opacity = garment.alpha * weight
    flat = np.dstack([garment.rgb * opacity[..., None], opacity]).astype(np.float32)
    columns = np.asarray(across + garment.axis_x, np.float32)
    rows = np.asarray(down, np.float32)
    return np.asarray(cv2.remap(flat, columns, rows, cv2.INTER_LINEAR, borderValue=0), np.float32)


def _over(lower: Plane, upper: Plane) -> Plane:
    """One layer upon another, the lower one a little darker along the upper one's edge."""
    edge = blur(np.ascontiguousarray(upper[..., 3]), lower.shape[1] / 120)
    darkened = np.dstack([lower[..., :3] * (1 - 0.2 * edge)[..., None], lower[..., 3]])
    return np.asarray(upper + darkened * (1 - upper[..., 3:]), np.float32)


def _within_silhouette(canvas: Pixels, body: Body) -> Plane:
    """1 where cloth may be: everywhere on the trunk, beside it only on the person and a little beyond."""
    height, width = canvas.shape[:2]
    if body.region is None:
        return np.ones((height, width), np.float32)
    reach = max(1, int(0.07 * body.face_width))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    near = blur(np.asarray(cv2.dilate(resize_region(body.region, canvas), kernel), np.float32), 0.03 * body.face_width)
    off_axis = np.abs(np.arange(width, dtype=np.float32) - body.shoulder_x)
    beside = smoothstep(off_axis, 0.6 * body.half_width, 0.8 * body.half_width)[None, :]
    return np.asarray(1 - beside * (1 - smoothstep(near, 0.3, 0.7)), np.float32)
