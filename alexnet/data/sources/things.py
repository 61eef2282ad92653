"""The ten things of the built-in pictures, each a function from points to parts.

Legend: x to the right, y upwards, both (H, W) in the thing's own units, in which it about fills the circle of radius 1;
"distance" is signed, negative inside, and exact enough near the outline to draw its edge.
Every thing varies in its proportions and in what belongs to it; what tells it from the others is its shape alone.
Tones: 0 most of it; 1 differs from 0, and 2 from 1, in lightness.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from alexnet.data.sources.painting import Field, Part, clouds, smoothstep

Thing = Callable[[Generator, Field, Field], list[Part]]


# --- outlines


def _length(x: Field, y: Field) -> Field:
    field: Field = np.sqrt(x * x + y * y)
    return field


def _disc(x: Field, y: Field, across: float, up: float, radius: float) -> Field:
    return _length(x - across, y - up) - radius


def _ellipse(x: Field, y: Field, across: float, up: float, wide: float, high: float) -> Field:
    x, y = (x - across) / wide, (y - up) / high
    scaled = _length(x, y)
    field: Field = scaled * (scaled - 1) / (_length(x / wide, y / high) + 1e-6)
    return field


def _box(x: Field, y: Field, across: float, up: float, wide: float, high: float, corner: float = 0.0) -> Field:
    """Half width `wide` and half height `high`, corners rounded by `corner`."""
    x, y = np.abs(x - across) - (wide - corner), np.abs(y - up) - (high - corner)
    outside = _length(np.maximum(x, 0), np.maximum(y, 0))
    field: Field = outside + np.minimum(np.maximum(x, y), 0) - corner
    return field


def _bar(x: Field, y: Field, start: tuple[float, float], end: tuple[float, float], thick: float, thin: float) -> Field:
    """A bar with round ends, of half width `thick` at its start and `thin` at its end."""
    x, y = x - start[0], y - start[1]
    across, up = end[0] - start[0], end[1] - start[1]
    along = np.clip((x * across + y * up) / (across * across + up * up), 0, 1)
    return _length(x - along * across, y - along * up) - (thick + (thin - thick) * along)


def _turned(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    """The points as seen by something turned by `angle` against the clock."""
    c, s = math.cos(angle), math.sin(angle)
    return x * c + y * s, y * c - x * s


def _melted(one: Field, other: Field, reach: float) -> Field:
    """The union of two outlines with the corner between them filled over `reach`."""
    share = np.clip(0.5 + 0.5 * (other - one) / reach, 0, 1)
    field: Field = other + (one - other) * share - reach * share * (1 - share)
    return field


def _without(distance: Field, hole: Field) -> Field:
    rest: Field = np.maximum(distance, -hole)
    return rest


# --- things


def butterfly(rng: Generator, x: Field, y: Field) -> list[Part]:
    """Four patterned wings, mirrored, a body and two feelers."""
    side = np.abs(x) / rng.uniform(0.75, 1.0)
    lean, droop = rng.uniform(0.55, 0.85), rng.uniform(0.6, 0.9)
    u, v = _turned(side, y - 0.05, lean)
    fore = _ellipse(u, v, 0.5, 0, 0.52, rng.uniform(0.24, 0.32))
    fore = _melted(fore, _disc(u, v, 0.72, -0.1, rng.uniform(0.18, 0.26)), 0.15)
    p, q = _turned(side, y + 0.05, -droop)
    hind = _ellipse(p, q, 0.38, 0, 0.42, rng.uniform(0.24, 0.32))
    if rng.random() < 0.4:
        hind = _melted(hind, _bar(side, y, (0.4, -0.5), (0.5, -0.92), 0.06, 0.03), 0.15)
    wings = np.minimum(fore, hind)
    border, veins = rng.uniform(0.05, 0.11), rng.uniform(9, 15)
    paint = smoothstep(wings, -border - 0.02, -border)
    dots = np.minimum(_disc(u, v, 0.68, -0.02, rng.uniform(0.06, 0.11)), _disc(p, q, 0.5, 0, rng.uniform(0.05, 0.1)))
    paint = np.maximum(paint, smoothstep(dots, 0.02, 0))
    vein = np.sin(np.where(fore < hind, v / np.maximum(u + 0.35, 0.1), q / np.maximum(p + 0.3, 0.1)) * veins)
    relief = 0.02 * np.abs(vein) + 0.12 * side
    body = _bar(x, y, (0, 0.3), (0, -0.42), 0.07, 0.03)
    head = _disc(x, y, 0, 0.36, 0.075)
    curl = _bar(np.abs(x), y, (0.03, 0.38), (0.22, 0.8), 0.014, 0.012)
    feelers = np.minimum(curl, _disc(np.abs(x), y, 0.22, 0.8, 0.03))
    return [
        Part(hind, edge=0.02, lift=0.03, relief=relief, paint=paint),
        Part(fore, edge=0.02, lift=0.06, relief=relief, paint=paint),
        Part(feelers, tone=1, edge=0.015, lift=0.05),
        Part(np.minimum(body, head), tone=1, edge=0.07, lift=0.06),
    ]


def clock(rng: Generator, x: Field, y: Field) -> list[Part]:
    """A dial with twelve marks and two hands at any time; often with the feet and bells of an alarm clock."""
    alarm = rng.random() < 0.5
    radius = 0.74 if alarm else 0.97
    parts = []
    if alarm:
        side = np.abs(x)
        feet = _bar(side, y, (0.4, -0.6), (0.57, -0.9), 0.07, 0.05)
        bells = _without(_disc(side, y, 0.42, 0.72, 0.27), _disc(x, y, 0, 0, 0.8))
        parts = [Part(feet, tone=1, edge=0.06), Part(bells, tone=1, edge=0.25)]
    rim = rng.uniform(0.08, 0.17) * radius
    case = _disc(x, y, 0, 0, radius)
    face = case + rim
    angle = np.arctan2(x, y)
    sector = math.tau / 12
    turn = angle - np.round(angle / sector) * sector
    away = _length(x, y)
    inner = radius - rim
    length, width = rng.uniform(0.06, 0.12), rng.uniform(0.018, 0.035)
    ticks = _box(away, turn * away, inner - 0.05 - length, 0, length, width)
    minutes = rng.uniform(0, 12)
    hands = []
    for time, reach, thick in ((minutes, 0.55, 0.05), (minutes * 12, 0.85, 0.035)):
        at = (time % 12) * math.tau / 12
        tip = (math.sin(at) * reach * inner, math.cos(at) * reach * inner)
        hands.append(_bar(x, y, (-0.15 * tip[0], -0.15 * tip[1]), tip, thick, thick * 0.6))
    return [
        *parts,
        Part(_without(case, face), edge=rim / 2, lift=0.12),
        Part(face, tone=1, edge=0.01, lift=0.04),
        Part(ticks, tone=2, edge=0.01, lift=0.05),
        Part(hands[0], tone=2, edge=0.02, lift=0.08),
        Part(hands[1], tone=2, edge=0.02, lift=0.1),
        Part(_disc(x, y, 0, 0, 0.06), tone=2, edge=0.05, lift=0.1),
    ]


def fish(rng: Generator, x: Field, y: Field) -> list[Part]:
    """A body with scales, a forked tail, fins, an eye and a gill."""
    high = rng.uniform(0.32, 0.46)
    y = y + rng.uniform(-0.12, 0.12) * np.cos(x * 2.2)
    bow = (0.72**2 + high**2) / (2 * high)
    body = np.maximum(_disc(x, y, 0.25, bow - high, bow), _disc(x, y, 0.25, high - bow, bow)) * 0.95
    side = np.abs(y)
    spread = rng.uniform(0.38, 0.52)
    tail = _bar(x, side, (-0.42, 0.0), (-0.9, spread), 0.1, 0.06)
    tail = np.minimum(tail, _bar(x, side, (-0.42, 0.0), (-0.78, spread * 0.5), 0.08, 0.13))
    back = rng.uniform(0.0, 0.25)
    dorsal = np.maximum(_ellipse(x, y, back, high * 0.7, 0.36, 0.34), -(y - high * 0.4))
    belly = _bar(x, y, (back + 0.05, -high * 0.8), (back - 0.14, -high - 0.2), 0.08, 0.03)
    rays = 0.014 * np.sin((x * 0.6 + side) * 60)
    row = np.round(y * 11)
    scale = (x * 11 + 0.5 * (row % 2)) % 1.0 - 0.5
    scales = _length(scale, y * 11 - row)
    gill = _disc(x, y, 1.0, 0, 0.46)
    relief = 0.045 * np.minimum(scales, 0.6) * (gill > 0) - 0.03 * smoothstep(np.abs(gill), 0.03, 0)
    paint = smoothstep(y, -0.2 * high, -0.55 * high) if rng.random() < 0.5 else None
    mouth = _bar(x, y, (0.98, -0.06), (0.84, -0.07), 0.012, 0.012)
    eye = (0.7, high * 0.24)
    fin = _bar(x, y, (0.42, -0.06), (0.2, -0.16), 0.04, 0.08)
    return [
        Part(_melted(tail, dorsal, 0.02), tone=1, edge=0.04, lift=0.02, relief=rays),
        Part(belly, tone=1, edge=0.04, lift=0.02, relief=rays),
        Part(body, edge=high * 0.9, lift=0.03, relief=relief, paint=paint),
        Part(fin, tone=1, edge=0.04, lift=0.3 * high + 0.1, relief=rays),
        Part(mouth, tone=2, edge=0.01, lift=0.15),
        Part(_disc(x, y, *eye, 0.095), tone=1, edge=0.03, lift=0.2),
        Part(_disc(x, y, *eye, 0.055), tone=2, edge=0.04, lift=0.2),
    ]


def key(rng: Generator, x: Field, y: Field) -> list[Part]:
    """A bow with a hole, a shaft, and a bit with teeth."""
    radius = rng.uniform(0.26, 0.36)
    centre = radius - 0.98
    style = rng.integers(4)
    if style == 0:
        bow = _disc(x, y, centre, 0, radius)
        hole = _disc(x, y, centre, 0, radius * rng.uniform(0.45, 0.7))
    elif style == 1:
        bow = _ellipse(x, y, centre, 0, radius, radius * 1.3)
        hole = _ellipse(x, y, centre, 0, radius * 0.6, radius * 0.9)
    elif style == 2:
        lobes = radius * 0.55
        bow = np.minimum(_disc(x, y, centre - lobes * 0.75, 0, lobes), _disc(x, np.abs(y), centre + 0.05, lobes, lobes))
        hole = np.minimum(
            _disc(x, y, centre - lobes * 0.75, 0, lobes * 0.55), _disc(x, np.abs(y), centre + 0.05, lobes, lobes * 0.55)
        )
    else:
        bow = _box(x, y, centre, 0, radius, radius * 1.1, 0.1)
        hole = _box(x, y, centre - radius * 0.3, 0, radius * 0.35, radius * 0.6, 0.06)
    thick = rng.uniform(0.06, 0.09)
    shaft = _bar(x, y, (centre + radius * 0.9, 0), (0.92, 0), thick, thick)
    collar = _box(x, y, centre + radius + 0.06, 0, 0.05, thick * 1.7, 0.02)
    teeth = shaft
    start, count = rng.uniform(0.3, 0.5), int(rng.integers(2, 5))
    for tooth in range(count):
        at = start + (0.86 - start) * tooth / (count - 1)
        long = rng.uniform(0.16, 0.34)
        teeth = np.minimum(teeth, _box(x, y, at, -long / 2, (0.86 - start) / count * 0.32 + 0.015, long / 2 + 0.03))
    return [
        Part(np.minimum(teeth, shaft), edge=0.05, lift=0.04),
        Part(_without(bow, hole), edge=0.07, lift=0.04),
        Part(collar, edge=0.05, lift=0.06),
    ]


def leaf(rng: Generator, x: Field, y: Field) -> list[Part]:
    """A blade with a midrib, side veins and a toothed or lobed edge, on a stalk."""
    y = y + rng.uniform(-0.18, 0.18) * (x * x - 0.3)
    wide = rng.uniform(0.34, 0.52)
    side = np.abs(y)
    half = 0.8
    bow = (half**2 + wide**2) / (2 * wide)
    along = x - 0.2
    along = along + rng.uniform(0.0, 0.22) * (along * along - half**2)  # broader towards the stalk
    blade = _disc(along, side, 0, wide - bow, bow) * 0.9
    slant = rng.uniform(0.5, 1.0)
    spacing = rng.uniform(0.14, 0.22)
    phase = (x - side * slant) / spacing
    saw = phase - np.floor(phase)
    lobed = rng.random() < 0.3
    depth = rng.uniform(0.10, 0.14) if lobed else rng.uniform(0.0, 0.045)
    teeth = 0.5 - 0.5 * np.cos(phase * math.tau) if lobed else (phase * 2) % 1.0
    blade = blade + depth * teeth * smoothstep(side, 0.0, 0.25)
    vein = smoothstep(np.abs(saw - 0.5), 0.12, 0.02) * smoothstep(side, wide, 0)
    rib = smoothstep(side, 0.035, 0.012)
    paint = np.maximum(rib, 0.75 * vein)
    relief = 0.05 * np.abs(saw - 0.5) * 2 + 0.06 * smoothstep(side, 0, 0.2) - 0.03 * rib
    relief = relief + 0.12 * clouds(rng, 5, x.shape)
    stalk = _bar(x, y, (-0.55, 0), (-1.0, 0.0), 0.03, 0.035)
    return [
        Part(stalk, tone=1, edge=0.03, lift=0.02),
        Part(blade, edge=0.03, lift=0.05, relief=relief, paint=paint),
    ]


def mug(rng: Generator, x: Field, y: Field) -> list[Part]:
    """A cup with one handle, seen a little from above."""
    wide, low, top = rng.uniform(0.5, 0.64), -0.8, rng.uniform(0.45, 0.75)
    tilt = rng.uniform(0.1, 0.24)  # half height of the mouth's ellipse
    taper = rng.uniform(-0.02, 0.16)
    x = x + 0.2
    girth = wide - taper * (top - y) / (top - low)
    share = np.clip(x / girth, -1, 1)
    arch = np.sqrt(1 - share * share)
    body = np.maximum(np.abs(x) - girth, np.maximum(y - top, low - y - tilt * 0.9 * (arch - 1)))
    corner = np.maximum(np.abs(x) - girth + 0.08, 0) + np.maximum(low + 0.08 - y - tilt * 0.9 * (arch - 1), 0)
    body = np.maximum(body, (corner - 0.11) * 0.7)
    middle = rng.uniform(-0.15, 0.0)
    high, deep = rng.uniform(0.3, 0.45), rng.uniform(0.3, 0.42)
    grip = _ellipse(x, y, wide - taper * 0.5, middle, deep, high)
    thick = rng.uniform(0.045, 0.075)
    handle = np.abs(grip + thick) - thick
    mouth = _ellipse(x, y, 0, top, wide, tilt)
    wall = 0.05
    inside = _ellipse(x, y, 0, top, wide - wall, tilt - wall * 0.6)
    drink = np.maximum(_ellipse(x, y, 0, top - rng.uniform(0.06, 0.3), wide - wall, tilt), inside)
    band = rng.uniform(0.03, 0.45)
    banded = smoothstep(np.abs(y + tilt * arch - rng.uniform(-0.4, 0.2)), band, band - 0.02)
    return [
        Part(handle, edge=thick, lift=0.2),
        Part(body, edge=0.03, relief=wide * arch, paint=banded if rng.random() < 0.5 else None),
        Part(mouth, edge=0.05, lift=wide),
        Part(inside, edge=0.01, lift=0.0, relief=-0.45 * arch + 0.25 * x + 0.6),
        Part(drink, tone=2, edge=0.005, lift=0.3),
    ]


def mushroom(rng: Generator, x: Field, y: Field) -> list[Part]:
    """A domed cap with spots and gills on a stem."""
    wide, high = rng.uniform(0.68, 0.95), rng.uniform(0.5, 0.85)
    rim = rng.uniform(-0.05, 0.2)
    under = rng.uniform(0.1, 0.2)
    up = y - rim
    cap = np.where(up > 0, _ellipse(x, up, 0, 0, wide, high), _ellipse(x, up, 0, 0, wide, under))
    gills = _ellipse(x, up, 0, -under * 0.45, wide * 0.88, under * 0.75)
    lean = rng.uniform(-0.12, 0.12)
    thick = rng.uniform(0.14, 0.24)
    stem = _bar(x, y, (lean, -0.95 + thick), (0, rim), thick * rng.uniform(1.0, 1.4), thick * 0.8)
    ribs = 0.03 * np.sin(x / (np.abs(up - 0.5) + 0.3) * 40)
    spots = np.full_like(x, 1.0)
    for _ in range(int(rng.integers(5, 10))):
        level, size = rng.uniform(0.12, 0.85), rng.uniform(0.05, 0.13)
        at = rng.uniform(-0.8, 0.8) * math.sqrt(1 - level * level)
        narrowed = size * math.sqrt(1.05 - at * at)  # as they turn away
        spots = np.minimum(spots, _ellipse(x, up, at * wide, level * high, narrowed, size))
    spots = np.maximum(spots, cap)
    parts = [Part(stem, tone=1, edge=thick, lift=0.05, relief=0.01 * np.sin(x * 70))]
    if rng.random() < 0.5:
        skirt = _ellipse(x, y, lean * 0.4, rim - 0.4, thick * 1.7, 0.09)
        parts.append(Part(skirt, tone=1, edge=0.08, lift=0.2, relief=ribs))
    parts.append(Part(cap, edge=0.45, lift=0.15))
    parts.append(Part(gills, tone=1, edge=0.02, lift=0.05, relief=ribs))
    if rng.random() < 0.7:
        parts.append(Part(spots, tone=2, edge=0.05, lift=0.5))
    return parts


def scissors(rng: Generator, x: Field, y: Field) -> list[Part]:
    """Two blades crossing at a screw, with a ring for a handle each."""
    opening = rng.uniform(0.12, 0.42)
    ring, thick = rng.uniform(0.2, 0.26), rng.uniform(0.045, 0.07)
    parts = []
    for turn, lift in ((-1.0, 0.04), (1.0, 0.09)):
        u, v = _turned(x, y - 0.05, turn * opening)
        blade = np.maximum(_bar(u, v, (0, -0.12), (0, 0.9), 0.1, 0.012), turn * u - 0.035)
        arm = _bar(u, v, (0, 0), (turn * 0.16, -0.5), 0.07, 0.06)
        eye = np.abs(_ellipse(u, v, turn * 0.2, -0.72, ring, ring * 1.2) + thick) - thick
        parts.append(Part(blade, edge=0.06, lift=lift))
        parts.append(Part(_melted(arm, eye, 0.06), tone=1, edge=0.06, lift=lift))
    parts.append(Part(_disc(x, y, 0, 0.05, 0.06), tone=2, edge=0.05, lift=0.14))
    return parts


def starfish(rng: Generator, x: Field, y: Field) -> list[Part]:
    """Five tapering arms with rows of knobs."""
    away = _length(x, y)
    angle = np.arctan2(x, y) + rng.uniform(-0.35, 0.35) * away
    sector = math.tau / 5
    turn = angle - np.round(angle / sector) * sector
    u, v = away * np.cos(turn), away * np.sin(turn)
    thick = rng.uniform(0.2, 0.32)
    arms = _bar(u, v, (0.1, 0), (0.93, 0), thick, rng.uniform(0.04, 0.1)) * 0.92
    body = _melted(arms, away - thick * 1.25, 0.2)
    spacing = rng.uniform(0.1, 0.16)
    knob = u / spacing - np.round(u / spacing)
    row = np.abs(v) / spacing
    row = row - np.round(row)
    bumps = smoothstep(_length(knob, row), 0.42, 0.1)
    paint = bumps * rng.uniform(0, 1) if rng.random() < 0.6 else None
    return [Part(body, edge=thick * 1.1, lift=0.02, relief=0.05 * bumps, paint=paint)]


def umbrella(rng: Generator, x: Field, y: Field) -> list[Part]:
    """An open canopy of panels with a scalloped edge, over a stick with a hook."""
    wide, high, foot = rng.uniform(0.85, 0.98), rng.uniform(0.55, 0.8), rng.uniform(0.0, 0.12)
    up = y - foot
    panels = int(rng.integers(2, 4)) * 2
    # Ribs are meridians of the dome: ellipses through its top, evenly spaced in longitude.
    level = np.clip(up / high, 0, 0.998)
    longitude = np.arcsin(np.clip(x / (wide * np.sqrt(1 - level * level)), -1, 1)) * (panels / math.pi)
    at_rim = np.arcsin(np.clip(x / wide, -1, 1)) * (panels / math.pi)
    swell = np.abs(np.sin(math.pi * longitude))
    scallop = rng.uniform(0.09, 0.15) * np.abs(np.sin(math.pi * at_rim))
    canopy = np.maximum(_ellipse(x, up, 0, 0, wide, high), (scallop - up) * 0.9)
    paint = np.floor(longitude) % 2 if rng.random() < 0.6 else 0.6 * smoothstep(swell, 0.12, 0)
    hook = rng.uniform(0.1, 0.15)
    bottom = -0.95 + hook
    stick = _bar(x, y, (0, high + foot - 0.02), (0, bottom), 0.025, 0.025)
    crook = np.maximum(np.abs(_disc(x, y, hook, bottom, hook)) - 0.035, y - bottom)
    tip = _bar(x, y, (0, high + foot - 0.05), (0, min(high + foot + 0.14, 1.0)), 0.035, 0.02)
    return [
        Part(stick, tone=2, edge=0.025, lift=0.05),
        Part(crook, tone=2, edge=0.035, lift=0.05),
        Part(tip, tone=2, edge=0.03, lift=0.1),
        Part(canopy, edge=0.3, lift=0.1, relief=0.1 * np.sqrt(swell), paint=paint),
    ]


THINGS: dict[str, Thing] = {
    "butterfly": butterfly,
    "clock": clock,
    "fish": fish,
    "key": key,
    "leaf": leaf,
    "mug": mug,
    "mushroom": mushroom,
    "scissors": scissors,
    "starfish": starfish,
    "umbrella": umbrella,
}
