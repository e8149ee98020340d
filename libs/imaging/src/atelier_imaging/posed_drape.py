"""Hangs a cut-out garment on a posed body: within the silhouette, behind arms and hair, lit as the photograph is."""

import cv2
import numpy as np

from atelier_imaging.cloth_light import cloth_light, shadow_of
from atelier_imaging.drape import Fit, trunk_weight
from atelier_imaging.figure import Figure
from atelier_imaging.garment_measures import Garment
from atelier_imaging.garment_profile import GarmentProfile, measure_profile
from atelier_imaging.geometry import Pixels, Plane, blur, smoothstep
from atelier_imaging.occluders import bare_hands, before_sleeve, before_trunk

UPPER_ARM, FOREARM, THIGH, SHIN = 1.55, 1.4, 2.35, 2.3
"""Lengths of limbs in half distances of the shoulder joints, from upright adults."""
CHEST = 1.12
"""The trunk's half width in the same measure."""
HEM_MIN, HEM_MAX = 0.98, 1.28
"""Where the hem of a top may lie; shoulders are 0 and hips 1."""
WAIST = 0.8
LONG_SLEEVE = 2.1
"""In half distances of the shoulder joints: what is longer reaches the wrist."""


def shows_legs(figure: Figure) -> bool:
    """Whether the picture shows enough below the waist to wear trousers or a skirt there."""
    hips, knees = figure.frames.axis[1], figure.frames.axis[2]
    return bool(hips[1] + 0.3 * (knees[1] - hips[1]) < figure.frames.shape[0])


def drape_posed(canvas: Pixels, figure: Figure, garment: Garment, fit: Fit) -> Pixels:
    """The canvas, which is the figure's picture or what it already wears, with one garment more."""
    worn = _worn(figure, garment, fit)
    opacity = np.ascontiguousarray(worn[..., 3])
    cloth = worn[..., :3] / np.maximum(worn[..., 3:], 1e-3)
    light = cloth_light(figure.rgb, opacity, figure.parts, figure.frames.shoulder, fit.fold_seed) * fit.light
    shadow = shadow_of(opacity, figure.parts, figure.frames.shoulder)
    under = canvas * shadow[..., None]
    mixed = under * (1 - opacity[..., None]) + cloth * light[..., None] * opacity[..., None]
    changed = (opacity > 0) | (shadow < 1)
    return np.where(changed[..., None], np.clip(mixed + 0.5, 0, 255), canvas).astype(np.uint8)


def cloth_on(figure: Figure, garment: Garment, fit: Fit) -> Plane:
    """Where ``drape_posed`` lays the cloth: its opacity (height, width), 0..1."""
    return np.ascontiguousarray(_worn(figure, garment, fit)[..., 3])


def _worn(figure: Figure, garment: Garment, fit: Fit) -> Plane:
    profile = measure_profile(garment)
    if profile.cut in ("trousers", "skirt"):
        return _worn_below(figure, garment, profile)
    return _worn_above(figure, garment, profile, fit)


def _worn_above(figure: Figure, garment: Garment, profile: GarmentProfile, fit: Fit) -> Plane:
    """A top or a dress: premultiplied colours and opacity (height, width, 4)."""
    trunk = _trunk(figure, garment, profile, fit)
    near = _cloth_bounds(figure, skirt=profile.cut == "dress")
    trunk = trunk * (near * (1 - before_trunk(figure)))[..., None]
    layers = trunk
    if profile.sleeve is not None and garment.sleeves is not None:
        for side in (0, 1):
            sleeve = _sleeve(figure, garment, profile, side)
            layers = _over(layers, sleeve * (near * (1 - before_sleeve(figure, side)))[..., None])
    return _without_gaps(layers, figure, profile, garment, fit)


def _trunk(figure: Figure, garment: Garment, profile: GarmentProfile, fit: Fit) -> Plane:
    frames, outline = figure.frames, figure.outline
    down, right = frames.trunk_coordinates()
    across = outline.across(down, right)
    rows = _rows(figure, garment, profile, down, across)
    across = np.asarray(across / _flare(profile, rows, down), np.float32)
    columns = _columns(garment, profile, rows, across, fit)
    weight = trunk_weight(garment, fit)
    return _sampled(garment, weight, columns, rows)


def _rows(figure: Figure, garment: Garment, profile: GarmentProfile, down: Plane, across: Plane) -> Plane:
    """For each pixel its row on the garment: the shoulder line lies on the shoulders, the hem where it falls."""
    joint_y, a_trunk = _joint_y(garment), _garment_trunk(figure, garment, profile)
    below = joint_y + down * a_trunk
    steps = np.linspace(-1.1, 1.1, 89, dtype=np.float32)
    surface = figure.outline.surface
    columns = np.clip(garment.axis_x + steps * garment.half_width * 0.97, 0, len(garment.top_edge) - 1)
    tops = np.interp(columns, np.arange(len(garment.top_edge)), garment.top_edge) - 0.05 * garment.half_width
    rise = np.minimum((tops - joint_y) / np.minimum(surface(steps), -0.04), 6 * a_trunk)
    side = np.abs(steps) > 0.42
    inner = float(np.median(rise[(np.abs(steps) > 0.4) & (np.abs(steps) < 0.65)]))
    rise = blur(np.where(side, np.maximum(rise, 0.4 * a_trunk), inner)[None, :].astype(np.float32), 4)[0]
    above = joint_y + down * np.interp(across, steps, rise)
    return np.asarray(np.where(down < 0, above, below), np.float32)


def _flare(profile: GarmentProfile, rows: Plane, down: Plane) -> Plane:
    """How much wider a dress or a skirt is below the hips than at them."""
    if profile.cut in ("top", "trousers"):
        return np.ones_like(rows)
    places = np.arange(len(profile.left))
    wide = np.interp(rows, places, profile.right - profile.left)
    below = rows[(down > 0.97) & (down < 1.03)]
    hips = float(np.interp(np.median(below), places, profile.right - profile.left)) if below.size else wide.max()
    return np.asarray(np.where(down > 1, np.maximum(wide / max(hips, 1.0), 0.9), 1.0), np.float32)


def _joint_y(garment: Garment) -> float:
    if garment.sleeves is not None:
        return garment.sleeves.joint_y
    ends = [
        int(np.clip(garment.axis_x + side * 0.8 * garment.half_width, 0, len(garment.top_edge) - 1)) for side in (-1, 1)
    ]
    return float(garment.top_edge[ends].mean() + 0.2 * garment.half_width)


def _garment_trunk(figure: Figure, garment: Garment, profile: GarmentProfile) -> float:
    """Garment pixels from the shoulders' level to the hips'."""
    frames = figure.frames
    usual = garment.half_width * frames.trunk / (CHEST * frames.shoulder)
    length = garment.alpha.shape[0] - _joint_y(garment)
    low, high = (HEM_MIN, HEM_MAX) if profile.cut == "top" else (1.5, 2.6)
    return float(np.clip(usual, length / high, length / low))


def _columns(garment: Garment, profile: GarmentProfile, rows: Plane, across: Plane, fit: Fit) -> Plane:
    places = np.arange(len(profile.left))
    left = garment.axis_x - np.interp(rows, places, profile.left)
    right = np.interp(rows, places, profile.right) - garment.axis_x
    return np.asarray(garment.axis_x + across * np.where(across < 0, left, right) / fit.scale**0.5, np.float32)


def _sleeve(figure: Figure, garment: Garment, profile: GarmentProfile, side: int) -> Plane:
    course, sleeves, arm = profile.sleeve, garment.sleeves, figure.frames.arms[side]
    assert course is not None
    assert sleeves is not None
    along, off = arm.coordinates(figure.frames.shape)
    unit = garment.half_width / CHEST
    worn_long = course.length > LONG_SLEEVE * unit
    stretch = (
        course.length / ((UPPER_ARM + 0.95 * FOREARM) * unit)
        if worn_long
        else _shorter(figure, course.length / unit, side)
    )
    place: Plane = np.asarray(
        (UPPER_ARM * np.minimum(along, 1) + FOREARM * np.maximum(along - 1, 0)) * unit * stretch, np.float32
    )
    steps = np.arange(course.length)
    half, middle = np.interp(place, steps, course.half), np.interp(place, steps, course.middle)
    reach = arm.reach_at(along) * 1.18
    # On both arms the side away from the trunk, or the upper one of a raised arm, counts upwards.
    up = np.asarray((off if side == 0 else -off) / reach, np.float32)
    across = middle - np.where(up > 1, 2 - up, up) * half
    turn = sleeves.angle_rad
    out, under = place * np.cos(turn) - across * np.sin(turn), place * np.sin(turn) + across * np.cos(turn)
    sign = -1 if side == 0 else 1
    columns = np.asarray(garment.axis_x + sign * (sleeves.joint_x + out), np.float32)
    rows = np.asarray(sleeves.joint_y + under, np.float32)
    weight = np.asarray(sleeves.weight, np.float32)
    height, width = weight.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    cap = np.hypot((x - garment.axis_x) * sign - sleeves.joint_x, y - sleeves.joint_y) / garment.half_width
    own = (x - garment.axis_x) * sign > 0
    weight = np.asarray(np.maximum(weight, 1 - smoothstep(cap, 0.24, 0.4)) * own, np.float32)
    sampled = _sampled(garment, weight, columns, rows)
    inside = smoothstep(place, 1.04 * course.length, 0.99 * course.length) * smoothstep(up, 1.9, 1.7)
    inside = inside * smoothstep(-up, 1.06, 0.94) * smoothstep(along, -0.3, -0.12)
    return np.asarray(sampled * inside[..., None], np.float32)


def _shorter(figure: Figure, length: float, side: int) -> float:
    """How much a short sleeve is stretched so that it covers the sleeve worn in the photograph, if that is little."""
    end = figure.outline.sleeve_ends[side] * UPPER_ARM
    return 1.0 if not length < end < 1.5 * length else length / end


def _worn_below(figure: Figure, garment: Garment, profile: GarmentProfile) -> Plane:
    """Trousers follow the legs, skirts fall from the hips."""
    frames = figure.frames
    down, right = frames.trunk_coordinates()
    hips = np.maximum(figure.outline.half(down, right), 0.9 * frames.shoulder)
    across = right / np.where(down < 1, hips, figure.outline.half(np.minimum(down, 1.0), right))
    unit = garment.half_width / frames.shoulder
    rows = np.asarray((down - WAIST) * frames.trunk * unit, np.float32)
    across = across / _flare(profile, rows, down)
    columns = _columns(garment, profile, rows, np.asarray(across, np.float32), _PLAIN)
    worn = _sampled(garment, np.ones_like(garment.alpha), columns, rows)
    front = 1 - np.maximum(bare_hands(figure), figure.parts.hair)
    if profile.leg is None:
        return np.asarray(worn * (front * _cloth_bounds(figure, skirt=True))[..., None], np.float32)
    for side in (0, 1):
        worn = _over(
            worn * smoothstep(1.12 - down, 0.0, 0.1)[..., None] if side == 0 else worn,
            _leg(figure, garment, profile, side),
        )
    kept = front * figure.parts.person * smoothstep(down, WAIST - 0.03, WAIST)
    return np.asarray(worn * kept[..., None], np.float32)


def _leg(figure: Figure, garment: Garment, profile: GarmentProfile, side: int) -> Plane:
    course, leg = profile.leg, figure.frames.legs[side]
    assert course is not None
    along, off = leg.coordinates(figure.frames.shape)
    unit = garment.half_width / figure.frames.shoulder * figure.frames.shoulder / CHEST * 1.3
    start = (1 - WAIST) * figure.frames.trunk * garment.half_width / figure.frames.shoulder
    length = course.length - start
    long = length > 3.2 * unit
    stretch = length / ((THIGH + 0.97 * SHIN) * unit) if long else 1.0
    rows = np.asarray(
        start + (THIGH * np.minimum(along, 1) + SHIN * np.maximum(along - 1, 0)) * unit * stretch, np.float32
    )
    steps = np.arange(course.length)
    half, middle = np.interp(rows, steps, course.half), np.interp(rows, steps, course.middle)
    sign = -1 if side == 0 else 1
    reach = leg.reach_at(along)
    share = off / reach
    share = np.where(np.abs(share) > 1, np.sign(share) * (2 - np.abs(share)), share)
    columns = np.asarray(garment.axis_x + sign * middle - share * half, np.float32)
    inside = smoothstep(np.asarray(np.abs(off) / reach, np.float32), 1.75, 1.6) * smoothstep(along, 0.05, 0.2)
    return np.asarray(_sampled(garment, np.ones_like(garment.alpha), columns, rows) * inside[..., None], np.float32)


def _cloth_bounds(figure: Figure, *, skirt: bool) -> Plane:
    """1 where cloth may be: on the person below the head; the skirt of a dress also between and beside the legs."""
    bounds = figure.parts.person
    if skirt:
        down, _ = figure.frames.trunk_coordinates()
        bounds = np.maximum(bounds, smoothstep(down, 0.95, 1.1))
    return np.asarray(bounds * (1 - figure.parts.head), np.float32)


def _without_gaps(layers: Plane, figure: Figure, profile: GarmentProfile, garment: Garment, fit: Fit) -> Plane:
    """Clothes that look out between trunk and sleeves take the colour of the cloth beside them; a front that is worn
    open stays open."""
    frames = figure.frames
    down, right = frames.trunk_coordinates()
    across = figure.outline.across(down, right)
    a_trunk = _garment_trunk(figure, garment, profile)
    hem = (garment.alpha.shape[0] - _joint_y(garment)) / a_trunk
    arms = [arm.coordinates(frames.shape) for arm in frames.arms]
    beyond = np.zeros(frames.shape, bool)
    for side, (arm, (along, off)) in enumerate(zip(frames.arms, arms, strict=True)):
        aside = (right < 0) == (side == 0)
        nearer = np.abs(off) - arm.reach_at(along) < np.abs(right) * (1 - 1 / np.maximum(np.abs(across), 1e-3))
        beyond |= (along > max(0.75, figure.outline.sleeve_ends[side])) & aside & nearer
    covered = layers[..., 3] > 0.6
    wanted = (
        (figure.parts.clothes > 0.4) & (figure.outline.crossing < 0.5) & (down < hem - 0.03) & (down > -0.6) & ~beyond
    )
    front = np.maximum(before_trunk(figure), figure.parts.head)
    gaps = _opened(wanted & ~covered & (front < 0.3) & (np.abs(across) < 1.7), 0.02 * frames.shoulder)
    gaps &= (np.abs(across) < 1) | (np.maximum(*(leg.region(frames.shape) for leg in frames.legs)) < 0.5)
    distance = cv2.distanceTransform((~covered).astype(np.uint8), cv2.DIST_L2, 5)
    gaps &= distance < 0.6 * frames.shoulder
    if not gaps.any():
        return layers
    # Mirrored at the trunk's edges, so that the pattern goes on without smears.
    inward = np.asarray(np.clip(1.94 - np.abs(np.mod(across + 0.97, 3.88) - 1.94) - 0.97, -0.97, 0.97), np.float32)
    rows = _rows(figure, garment, profile, np.maximum(down, figure.outline.surface(inward) * 0.7), inward)
    columns = _columns(garment, profile, rows, inward, _PLAIN)
    tops = np.interp(columns, np.arange(len(garment.top_edge)), garment.top_edge) + 0.04 * garment.half_width
    gaps &= rows > tops - 0.12 * garment.half_width
    gaps &= (np.abs(across) > 1) | (np.abs(columns - garment.axis_x) >= fit.open_share * garment.half_width)
    rows = np.clip(tops + np.abs(rows - tops), 0, garment.alpha.shape[0] - 2).astype(np.float32)
    more = _sampled(garment, np.ones_like(garment.alpha), columns, rows)
    opacity = blur(gaps.astype(np.float32), 1.0) * (more[..., 3] > 0.9)
    more = np.dstack([more[..., :3] / np.maximum(more[..., 3:], 1e-3), np.ones(frames.shape, np.float32)])
    return np.asarray(layers + more * (opacity * (1 - layers[..., 3]))[..., None], np.float32)


def _opened(region: np.ndarray, radius_px: float) -> np.ndarray:
    size = 2 * max(1, int(radius_px)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0)


def _sampled(garment: Garment, weight: Plane, columns: Plane, rows: Plane) -> Plane:
    opacity = garment.alpha * weight
    flat = np.dstack([garment.rgb * opacity[..., None], opacity]).astype(np.float32)
    return np.asarray(cv2.remap(flat, columns, rows, cv2.INTER_LINEAR, borderValue=0), np.float32)


def _over(lower: Plane, upper: Plane) -> Plane:
    edge = blur(np.ascontiguousarray(upper[..., 3]), lower.shape[1] / 160)
    darkened = np.dstack([lower[..., :3] * (1 - 0.16 * edge)[..., None], lower[..., 3]])
    return np.asarray(upper + darkened * (1 - upper[..., 3:]), np.float32)


_PLAIN = Fit(0.0, 1.0, 1.0, 0)
