"""Light, matter and camera for the built-in pictures: things of some relief on a surface, seen from above.

A scene is a set of fields over the picture (colour, height, slopes, gloss). Things are laid on it one part at a
time; then everything is lit at once by a sun that casts shadows, a sky, and reflections; then the camera adds
what cameras add.

Legend: x to the right, y upwards, in a thing's own units, both (H, W) over a window of the picture; heights in
pixels of the picture. All fields are float32: half the time of float64.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

SIDE = 256

# How much of a surface's own pattern and roughness is kept, so that things stand out.
CALM = 0.5

Field = NDArray[np.floating[Any]]
Window = tuple[slice, slice]
Colour = tuple[float, float, float]  # linear RGB


# --- noise


def clouds(rng: Generator, cells: float, shape: tuple[int, int] = (SIDE, SIDE)) -> Field:
    """Smooth noise of `shape` in [-1, 1], one random value for each `SIDE / cells` pixels."""
    taps = []
    for length in shape:
        at = np.arange(length, dtype=np.float32) * (cells / SIDE)
        part = at - np.floor(at)
        low = at.astype(np.intp)
        taps.append((low, part * part * (3 - 2 * part)))
    (rows, down), (columns, right) = taps
    grid = rng.random((int(rows[-1]) + 2, int(columns[-1]) + 2), dtype=np.float32) * 2 - 1
    wide = grid[:, columns] + (grid[:, columns + 1] - grid[:, columns]) * right
    step = np.diff(wide, axis=0)
    field: Field = wide[rows] + step[rows] * down[:, None]
    return field


def lattice(rng: Generator, x: Field, y: Field) -> Field:
    """Smooth noise in [-1, 1] at the points (x, y), one random value for each unit square; repeats after 64 units."""
    table = rng.random((64, 64), dtype=np.float32).ravel() * 2 - 1
    column, row = np.floor(x), np.floor(y)
    right, down = x - column, y - row
    right, down = right * right * (3 - 2 * right), down * down * (3 - 2 * down)
    low, high = column.astype(np.int32) & 63, (column.astype(np.int32) + 1) & 63
    top, bottom = (row.astype(np.int32) & 63) << 6, ((row.astype(np.int32) + 1) & 63) << 6
    above, below = table[top | low], table[bottom | low]
    above += (table[top | high] - above) * right
    below += (table[bottom | high] - below) * right
    field: Field = above + (below - above) * down
    return field


def grit(rng: Generator, shape: tuple[int, int] = (SIDE, SIDE), roughness: float = 0.6) -> Field:
    """Noise of several octaves in about [-1, 1]; `roughness` is the share that each octave keeps of the one before."""
    field = clouds(rng, 6, shape)
    weight, total = 1.0, 1.0
    for cells in (14, 33, 75):
        weight *= roughness
        total += weight
        field += weight * clouds(rng, cells, shape)
    field *= 1.6 / total
    return field


def soften(field: Field, reach: int) -> Field:
    """The field blurred twice by a box of `2 * reach + 1` pixels, edges repeated."""
    for _ in range(4):  # down, across, down, across
        padded = np.pad(field, ((reach, reach), (0, 0)), mode="edge")
        total = padded[: len(field)].copy()
        for shift in range(1, 2 * reach + 1):
            total += padded[shift : shift + len(field)]
        total /= 2 * reach + 1
        field = total.T
    return field


def smoothstep(field: Field, low: float, high: float) -> Field:
    """0 below `low`, 1 above `high`, smooth between; `low` may be the larger of the two."""
    share = np.clip((field - low) / (high - low), 0, 1)
    rise: Field = share * share * (3 - 2 * share)
    return rise


# --- matter


@dataclass(frozen=True)
class Material:
    """What a part is made of: `gloss` and `metal` in 0–1, and how its surface varies."""

    colour: Colour
    gloss: float
    metal: float
    texture: str


@dataclass
class Part:
    """One layer of a thing.

    `distance` is the signed distance to its outline, negative inside, in the thing's units, as are `edge` (the radius
    of its rounded edge), `lift` (how far its foot is above the surface) and `relief` (height added to the rounding).
    `tone` indexes the thing's materials; `paint` in 0–1 is the share of the next material over it.
    """

    distance: Field
    tone: int = 0
    edge: float = 0.1
    lift: float = 0.0
    relief: Field | None = None
    paint: Field | None = None


def colour(rng: Generator, unlike: tuple[Colour, ...] = (), by: float = 0.2) -> Colour:
    """A colour from the one palette that everything is painted from, lighter or darker than `unlike` if it can be."""
    draws = [_colour(rng) for _ in range(12)]
    lightness = [_lightness(other) for other in unlike]
    return max(draws, key=lambda draw: min([by, *(abs(_lightness(draw) - other) for other in lightness)]))


def _colour(rng: Generator) -> Colour:
    # Half of the hues lie between red and yellow and a quarter about blue, as those of things do.
    hue = rng.uniform(*((-0.2, 1.1), (-0.2, 1.1), (3.0, 3.9), (0.0, 6.0))[rng.integers(4)])
    value, strength = rng.uniform(0.2, 0.92), 0.85 * rng.random() ** 1.3
    turns = [(start + hue) % 6 for start in (5, 3, 1)]
    red, green, blue = (value * (1 - strength * max(0.0, min(turn, 4 - turn, 1.0))) for turn in turns)
    return red * red, green * green, blue * blue


def _lightness(of: Colour) -> float:
    return math.sqrt(0.2126 * of[0] + 0.7152 * of[1] + 0.0722 * of[2])


def _between(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def material(rng: Generator, unlike: tuple[Colour, ...] = (), by: float = 0.2) -> Material:
    """A random material: paint, ceramic, metal, wood, stone or felt, of a `colour`."""
    texture = ("plain", "plain", "metal", "wood", "stone", "felt")[rng.integers(6)]
    gloss = {"plain": 1.0, "metal": 1.0, "wood": 0.3}.get(texture, 0.05) * rng.random()
    return Material(colour(rng, unlike, by), gloss, float(texture == "metal"), texture)


def _grain(rng: Generator, texture: str, x: Field, y: Field) -> tuple[Field | float, Field | float]:
    """How a texture varies over the points: a factor on the colour, and a height in pixels."""
    if texture == "wood":
        rings = lattice(rng, x * 1.5, y * 9) * 2
        fibre = lattice(rng, x * 6, y * 60)
        return 1 + 0.2 * np.sin(rings * 5 + y * 25) + 0.18 * fibre, 0.12 * fibre
    if texture == "stone":
        rough = grit(rng, x.shape, 0.8)
        return 1 + 0.35 * rough, 0.8 * rough
    if texture == "felt":
        fuzz = rng.random(x.shape, dtype=np.float32) - 0.5
        return 1 + 0.25 * fuzz, 0.5 * fuzz + clouds(rng, 60, x.shape)
    if texture == "metal":
        return 1.0, 0.25 * lattice(rng, x * 2, y * 70)
    return 1 + 0.06 * clouds(rng, 20, x.shape), 0.0


# --- the scene


class Scene:
    """The fields over the picture that things are laid on, starting from a bare surface."""

    def __init__(self, albedo: Field, height: Field) -> None:
        self.albedo = albedo  # (3, SIDE, SIDE)
        self.height = height.copy()  # (SIDE, SIDE), as are the rest
        self.across, self.down = _slopes(height)
        self.gloss = np.zeros_like(height)
        self.metal = np.zeros_like(height)

    def lay(
        self,
        rng: Generator,
        parts: list[Part],
        materials: list[Material],
        window: Window,
        x: Field,
        y: Field,
        pixel: float,
    ) -> None:
        """Puts a thing's parts, in order, over the window whose points are (x, y), `pixel` units apart."""
        grains = [_grain(rng, m.texture, x, y) for m in materials]
        floor = self.height[window].mean(dtype=np.float64).item()
        for part in parts:
            cover = np.clip(0.5 - part.distance / pixel, 0, 1)
            depth = np.clip(part.distance / -part.edge, 0, 1)
            height = np.sqrt(depth * (2 - depth)) * (part.edge / pixel)
            if part.relief is not None:
                height += part.relief / pixel
            first = materials[part.tone]
            tint, bump = grains[part.tone]
            paint = 0 if part.paint is None else part.paint
            second = materials[(part.tone + 1) % len(materials)]
            for plane, one, other in zip(self.albedo, first.colour, second.colour, strict=True):
                under = plane[window]
                under += cover * ((one + (other - one) * paint) * tint - under)
            across, down = _slopes(height + bump)
            height += floor + part.lift / pixel
            for field, value in (
                (self.height, height),
                (self.across, across),
                (self.down, down),
                (self.gloss, first.gloss),
                (self.metal, first.metal),
            ):
                under = field[window]
                under += cover * (value - under)


def _slopes(height: Field) -> tuple[Field, Field]:
    """The height's differences to the right and downwards, central inside."""
    across, down = np.zeros_like(height), np.zeros_like(height)
    np.subtract(height[:, 2:], height[:, :-2], out=across[:, 1:-1])
    np.subtract(height[2:], height[:-2], out=down[1:-1])
    across *= 0.5
    down *= 0.5
    return across, down


def surface(rng: Generator) -> tuple[Scene, Colour]:
    """A bare surface of wood, cloth, stone, tiles, paper or carpet, and its main colour."""
    main = colour(rng)
    other = _between(main, colour(rng), rng.uniform(0.15, 0.5))
    turn, scale = rng.random() * math.tau, rng.uniform(0.7, 1.5)
    at = np.arange(SIDE, dtype=np.float32) / SIDE - 0.5
    x = (at * math.cos(turn) - at[:, None] * math.sin(turn)) * scale + rng.uniform(0, 9)
    y = (at * math.sin(turn) + at[:, None] * math.cos(turn)) * scale + rng.uniform(0, 9)
    height: Field | float
    mix: Field | float = 0.0  # the share of the other colour
    kind = rng.integers(6)
    if kind == 0:  # planks
        width = rng.uniform(2.5, 6)
        plank = np.floor(y * width)
        seam = np.abs(y * width - plank - 0.5)
        tint, height = _grain(rng, "wood", x + plank * 7.3, y * 1.3)
        tint = tint * (1 + 0.2 * np.sin(plank * 12.9)) * (1 - 0.7 * smoothstep(seam, 0.48, 0.5))
        height = height - 2 * smoothstep(seam, 0.46, 0.5)
    elif kind == 1:  # cloth with stripes or checks
        threads, bands = rng.uniform(90, 200), rng.uniform(12, 36)
        weave = np.sin(x * threads) * np.sin(y * threads)
        tint = 1 + 0.15 * weave
        height = 0.3 * weave + 7 * clouds(rng, rng.uniform(2, 4))
        warp, weft = (np.sin(axis * bands) > rng.uniform(-0.2, 1.2) for axis in (x, y))
        mix = 0.6 * (warp.astype(np.float32) + weft)
    elif kind == 2:  # stone with specks
        rough = grit(rng, roughness=0.85)
        tint, height = 1 + 0.3 * rough, 1.2 * rough
        mix = 0.7 * smoothstep(clouds(rng, rng.uniform(30, 110)), 0.35, 0.7)
    elif kind == 3:  # tiles
        width = rng.uniform(2.5, 7)
        column, row = np.floor(x * width), np.floor(y * width)
        joint = np.maximum(np.abs(x * width - column - 0.5), np.abs(y * width - row - 0.5))
        tint = (1 + 0.12 * np.sin(column * 37.7 + row * 91.1)) * (1 + 0.08 * grit(rng))
        height = -2.5 * smoothstep(joint, 0.45, 0.49)
        mix = smoothstep(joint, 0.47, 0.485)
    elif kind == 4:  # carpet
        tuft = clouds(rng, 100) + (rng.random((SIDE, SIDE), dtype=np.float32) - 0.5)
        tint, height = 1 + 0.3 * tuft, tuft
        mix = 0.5 * smoothstep(clouds(rng, rng.uniform(3, 9)), 0.0, 0.3)
    else:  # paper
        tint, height = 1 + 0.04 * grit(rng), 3 * clouds(rng, rng.uniform(1, 4))
        mix = smoothstep(at[:, None] * math.cos(turn) + at * math.sin(turn), -0.6, 0.6) * rng.random()
    tint = 1 + CALM * (tint - 1)
    albedo = np.stack([(one + (two - one) * mix) * tint for one, two in zip(main, other, strict=True)])
    return Scene(albedo, CALM * height), main


# --- light and camera


def _shadow(height: Field, across: float, down: float, rise: float) -> Field:
    """How much of the sun reaches each point, 0–1: soft shadows that the relief casts away from the sun.

    (across, down) is the unit direction towards the sun on the picture, `rise` its height for each pixel of way.
    Marched on every second pixel, which the soft edge hides.
    """
    coarse = height[::2, ::2]
    reach = 24
    padded = np.pad(coarse, reach, mode="edge")
    size = SIDE // 2
    blocked = np.zeros_like(coarse)
    way = 1.0
    while way < reach:
        row, column = reach + round(down * way), reach + round(across * way)
        over = padded[row : row + size, column : column + size] - coarse
        over -= 2 * way * rise
        over *= 1 / (1.5 + 0.35 * way)
        np.maximum(blocked, over, out=blocked)
        way *= 1.18
    free = soften(1 - np.minimum(blocked, 1), 1)
    return free.repeat(2, axis=0).repeat(2, axis=1)


def photograph(rng: Generator, scene: Scene) -> NDArray[np.uint8]:
    """The scene under random light through a random camera: uint8 RGB of shape (SIDE, SIDE, 3)."""
    azimuth, elevation = rng.random() * math.tau, math.radians(rng.uniform(35, 65))
    sun = (math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation))
    facing = 1 / np.sqrt(1 + scene.across * scene.across + scene.down * scene.down)  # the normal's third component
    lit = (sun[2] - scene.across * sun[0] - scene.down * sun[1]) * facing
    free = _shadow(scene.height, math.cos(azimuth), math.sin(azimuth), math.tan(elevation))

    coarse = scene.height[::4, ::4]
    hollow = np.clip((soften(coarse, 3) - coarse) * 0.06, 0, 0.6).repeat(4, axis=0).repeat(4, axis=1)
    sky = (0.75 + 0.25 * facing - 0.15 * lit) * (1 - soften(hollow, 3))

    mirrored = 2 * facing * lit - sun[2]  # cosine between the mirrored view and the sun
    sharp = rng.uniform(0.7, 0.93)
    glint = np.clip((mirrored - sharp) / (1 - sharp), 0, 1)
    glint *= glint * free
    strength, ambient = rng.uniform(0.9, 1.6), rng.uniform(0.3, 0.6)
    room = 0.45 + 0.35 * mirrored + 0.2 * np.sin(6 * mirrored + rng.uniform(0, 6))  # what metal mirrors
    room *= (0.35 + 0.65 * free) * scene.metal * (0.9 * (strength + ambient))

    direct = np.maximum(lit, 0) * free
    matt = 1 - 0.85 * scene.metal
    cool = rng.uniform(-0.12, 0.2)  # the sky is bluer than the sun; a lamp may be too
    exposure = 0.15 * math.exp(rng.normal(0, 0.3))
    shine = scene.gloss * glint * (strength * 0.9)
    at = np.arange(SIDE, dtype=np.float32) / (SIDE / 2) - 1
    aside, above = rng.uniform(-0.3, 0.3, 2).tolist()
    fall = 1 - rng.uniform(0.05, 0.28) * ((at - aside) ** 2 + ((at - above) ** 2)[:, None])  # vignette
    warmth, tint = rng.normal(0, 0.09), rng.normal(0, 0.03)
    picture = np.empty((3, SIDE, SIDE), np.float32)
    for plane, albedo, balance, tone in zip(
        picture, scene.albedo, (1 + warmth, 1 + tint, 1 - warmth), (-cool, 0.0, cool), strict=True
    ):
        light = direct * (strength * (1 - tone)) + sky * (ambient * (1 + tone))
        np.multiply((light * matt + room) * albedo + shine * (1 - tone), fall * balance, out=plane)
    np.maximum(picture, 0, out=picture)
    picture *= exposure / picture.mean(dtype=np.float64).item()
    picture = np.sqrt(picture * 1.3 / (0.3 + picture))  # film's shoulder, and a gamma of two

    # Cameras and JPEG keep colour at half the resolution of light.
    grain = rng.uniform(0.004, 0.025)
    grey = picture.mean(axis=0)
    hues = picture - grey
    hues = hues[:, ::2] + hues[:, 1::2]
    hues = (hues[:, :, ::2] + hues[:, :, 1::2]) / 4
    hues += 0.5 * grain * rng.standard_normal(hues.shape, dtype=np.float32)
    grey = _lens(grey, rng.uniform(0.05, 0.3))
    grey += grain * rng.standard_normal(grey.shape, dtype=np.float32)
    pixels = np.empty((SIDE, SIDE, 3), np.uint8)
    for channel, hue in enumerate(hues):
        plane = grey + hue.repeat(2, axis=0).repeat(2, axis=1)
        pixels[..., channel] = np.clip(plane, 0, 1) * 255 + 0.5
    return pixels


def _lens(picture: Field, blur: float) -> Field:
    """The picture blurred over three pixels each way, the neighbours weighing `blur` each, edges repeated."""
    wide = np.pad(picture, 1, mode="edge")
    wide = wide[1:-1] * (1 - 2 * blur) + blur * (wide[:-2] + wide[2:])
    return wide[:, 1:-1] * (1 - 2 * blur) + blur * (wide[:, :-2] + wide[:, 2:])
