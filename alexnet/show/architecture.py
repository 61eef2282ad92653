"""A network drawn to scale from its account alone, as in figure 2 of the paper, for every network and option.

The side of a box is that of its maps, its depth their number; a pooled map is a box of its own beside what it pools.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from alexnet.model.account import LayerAccount, account
from alexnet.model.spec import (
    Activation,
    AvgPool,
    BatchNorm,
    Conv,
    Dropout,
    Layer,
    Linear,
    Local,
    MaxPool,
    ResponseNorm,
    Scale,
    SpatialNorm,
    Spec,
)
from alexnet.show.drawing import Drawing, Label, Line, Point, Polygon, Shape, text_width
from alexnet.show.towers import MOST, block_count, connections, crossings, towers

INPUT_SIDE = 190.0  # pixels of the drawing for the side of the input
DEPTHS = 440.0  # … for the maps of all boxes of a tower together
UNITS = 200.0  # … for the units of the largest fully connected layer
PIXELS_PER_MAP = 3.0  # at most
THINNEST = 2.0
RIGHT, UP = 0.42, 0.24  # how far a square face recedes, as shares of its side
BAR = 11.0
MARGIN, GAP, BETWEEN_TOWERS = 24.0, 34.0, 30.0
SIZE, LEADING = 10.0, 14.0
PICTURE = ("#c9bda4", "#e4dccb", "#f1ece0")  # front, top, side
CONVOLVED = ("#9ecae1", "#c6dbef", "#6baed6")
POOLED = ("#d9d9d9", "#efefef", "#bdbdbd")
LINES, CROSSING, QUIET = "#777777", "#c51b1b", "#555555"


def to_json(spec: Spec) -> dict[str, Any]:
    """What the drawing says, as plain JSON types: the account, the towers, the layers that cross between them."""
    return {**account(spec).to_json(), "towers": towers(spec), "crossings": list(crossings(spec))}


@dataclass(frozen=True)
class _Box:
    """The outputs of one layer in one tower: a cuboid of maps, or a flat bar of units."""

    x: float
    middle: float
    width: float
    height: float
    colours: tuple[str, str, str] = CONVOLVED
    flat: bool = False

    @property
    def recedes(self) -> Point:
        return (0.0, 0.0) if self.flat else (RIGHT * self.height, UP * self.height)

    @property
    def top(self) -> float:
        return self.middle - self.height / 2

    @property
    def right(self) -> float:
        return self.x + self.width + self.recedes[0]

    def shapes(self) -> Iterator[Polygon]:
        front, above, side = self.colours
        left, right, top, bottom = self.x, self.x + self.width, self.top, self.top + self.height
        across, up = self.recedes
        if not self.flat:
            face = ((right, top), (right + across, top - up), (right + across, bottom - up), (right, bottom))
            roof = ((left, top), (left + across, top - up), (right + across, top - up), (right, top))
            yield Polygon(face, side)
            yield Polygon(roof, above)
        yield Polygon(((left, top), (right, top), (right, bottom), (left, bottom)), front)

    def on_face(self, down: float, across: float) -> Point:
        """A point of the face that looks at the next layer; shares of its side, from its nearer upper corner."""
        right, up = self.recedes
        return self.x + self.width + across * right, self.top + down * self.height - across * up

    @property
    def entry(self) -> Point:
        """Where what reaches it ends."""
        return self.x, self.middle


@dataclass(frozen=True)
class _Column:
    """A layer with weights, what follows it up to the next, and its texts; the first column is the input."""

    name: str
    layer: Conv | Local | Linear | None
    outputs: tuple[tuple[tuple[int, ...], tuple[str, str, str]], ...]  # shapes with the colours of their boxes
    notes: tuple[str, ...]


def architecture(spec: Spec) -> Drawing:
    """The network to scale. Raises ConfigError when its layers do not fit together."""
    columns, count = _columns(spec), towers(spec)
    scale = _Scale.of(spec, columns, count)
    tower = max(_tall(scale, shape, count) for column in columns[1:] for shape, _ in column.outputs)
    pitch = tower + BETWEEN_TOWERS
    height = max(_tall(scale, columns[0].outputs[0][0], 1), count * pitch - BETWEEN_TOWERS)
    centre = 66.0 + height / 2
    middles = {1: [centre], count: [centre + (each - (count - 1) / 2) * pitch for each in range(count)]}
    boxes: list[list[list[_Box]]] = []  # by column, by block, in the order of the layers
    texts: list[Shape] = []
    x, below = MARGIN, centre + height / 2 + 34.0
    for column in columns:
        blocks = 1 if column.layer is None else block_count(spec, column.layer.name)
        boxes.append([_place(scale, column, x, middle, blocks) for middle in middles[blocks]])
        texts += [_count(scale, box) for block in boxes[-1] for box in block if not box.flat]
        texts.append(Label(x, below, column.name, SIZE + 1, bold=True))
        texts += [Label(x, below + (line + 1) * LEADING, note, SIZE) for line, note in enumerate(column.notes)]
        words = max(text_width(note, SIZE, bold=True) for note in (column.name, *column.notes))
        x = max(max(block[-1].right for block in boxes[-1]) + GAP, x + words + 12.0)
    caption = below + (1 + max(len(column.notes) for column in columns)) * LEADING + 14.0
    shapes: list[Shape] = list(_heading(spec))
    links = [link for pair in pairwise(range(len(columns))) for link in _links(spec, columns, boxes, *pair)]
    shapes += [shape for column in boxes for block in column for box in block for shape in box.shapes()]
    shapes += [*links, *texts, *_caption(spec, scale, columns, caption)]
    title = f"The network {spec.name}, drawn to scale"
    labels = [shape for shape in shapes if isinstance(shape, Label)]
    width = max(x, *(label.box[2] for label in labels)) + MARGIN - 12.0
    return Drawing(width, max(label.y for label in labels) + 14.0, title, tuple(shapes))


@dataclass(frozen=True)
class _Scale:
    """Pixels of the drawing for a pixel of a map, for a map, for a unit."""

    pixel: float
    map: float
    unit: float

    @classmethod
    def of(cls, spec: Spec, columns: Sequence[_Column], count: int) -> "_Scale":
        shapes = [shape for column in columns for shape, _ in column.outputs]
        maps = sum(shape[0] / count for shape in shapes[1:] if len(shape) == 3) + spec.channels
        units = max((shape[0] for shape in shapes if len(shape) == 1), default=1)
        return cls(INPUT_SIDE / spec.input_size, min(PIXELS_PER_MAP, DEPTHS / maps), UNITS / units)


def _columns(spec: Spec) -> list[_Column]:
    rows = account(spec).rows
    size = spec.input_size
    names, layers = ["input"], [None]  # type: tuple[list[str], list[Conv | Local | Linear | None]]
    outputs: list[list[tuple[tuple[int, ...], tuple[str, str, str]]]] = [[((spec.channels, size, size), PICTURE)]]
    notes = [[f"{spec.channels} × {size} × {size}", "pixels"]]
    for layer, row in zip(spec.layers, rows, strict=True):
        if isinstance(layer, Conv | Local | Linear):
            names.append(layer.name)
            layers.append(layer)
            outputs.append([(row.output, CONVOLVED)])
            notes.append([])
        elif isinstance(layer, MaxPool | AvgPool):
            outputs[-1].append((row.output, POOLED))
        notes[-1] += _notes(spec, layer, row)
    return [_Column(*each) for each in zip(names, layers, map(tuple, outputs), map(tuple, notes), strict=True)]


def _notes(spec: Spec, layer: Layer, row: LayerAccount) -> list[str]:
    before, after = row.padding or (0, 0)
    padded = [] if not after else [f"padding {before}" if before == after else f"padding {before}, {after}"]
    match layer:
        case Conv():
            strides = [f"stride {layer.stride}"] if layer.stride > 1 else []
            grouped = [f"{layer.groups} groups"] if layer.groups > 1 else []
            kernels = f"{layer.kernel} × {layer.kernel} kernels"
            return [f"{row.output[0]} × {row.output[1]} × {row.output[2]}", kernels, *strides, *padded, *grouped]
        case Local():
            strides = [f"stride {layer.stride}"] if layer.stride > 1 else []
            size = f"{row.output[0]} × {row.output[1]} × {row.output[2]}"
            return [size, f"{layer.kernel} × {layer.kernel} kernels,", "each place its own", *strides, *padded]
        case Linear():
            blocks = block_count(spec, layer.name)
            each = [f"{row.output[0] / blocks:,g} a tower"] if blocks > 1 else []
            return [f"{row.output[0]:,} units", *each]
        case MaxPool() | AvgPool():
            size = f"{row.output[1]} × {row.output[2]}"
            rule = "max" if isinstance(layer, MaxPool) else "average"
            return [f"{rule} pool {layer.kernel} × {layer.kernel}", f"stride {layer.stride} → {size}", *padded]
        case Activation():
            return [{"relu": "ReLU"}.get(layer.function, layer.function)]
        case ResponseNorm():
            split = towers(spec) > 1
            where = (["across towers"] if layer.towers == 1 else ["inside a tower"]) if split else []
            return [f"LRN over {layer.n} maps", *where]
        case SpatialNorm():
            return [f"LRN over {layer.size} × {layer.size}", "positions of a map"]
        case BatchNorm():
            return ["batch norm"]
        case Dropout():
            return [f"dropout {layer.rate:g}"]
        case Scale():
            return [f"× {layer.factor:.5g}"]


def _tall(scale: _Scale, shape: tuple[int, ...], blocks: int) -> float:
    return shape[1] * scale.pixel * (1 + UP) if len(shape) == 3 else shape[0] / blocks * scale.unit


def _place(scale: _Scale, column: _Column, x: float, middle: float, blocks: int) -> list[_Box]:
    """The boxes of one block of a column from `x` on."""
    boxes = []
    for shape, colours in column.outputs:
        if len(shape) == 1:
            boxes.append(_Box(x, middle, BAR, max(THINNEST, shape[0] / blocks * scale.unit), flat=True))
        else:
            width, side = max(1.0, shape[0] / blocks * scale.map), max(THINNEST, shape[1] * scale.pixel)
            boxes.append(_Box(x, middle + UP * side / 2, width, side, colours))
        x = boxes[-1].right + 7.0
    return boxes


def _count(scale: _Scale, box: _Box) -> Label:
    """How many maps a box stands for, beneath it."""
    number = f"{max(1, round(box.width / scale.map)):,}"
    return Label(box.x + box.width / 2, box.top + box.height + 11.0, number, 9.0, "middle", colour=QUIET)


def _links(
    spec: Spec, columns: Sequence[_Column], boxes: Sequence[Sequence[Sequence[_Box]]], here: int, there: int
) -> Iterator[Shape]:
    """What runs from one column to the next: a kernel and the place it becomes, or everything to everything."""
    layer = columns[there].layer
    groups = layer.groups if isinstance(layer, Conv) and layer.groups <= MOST else 1
    sources, targets = [block[-1] for block in boxes[here]], [block[0] for block in boxes[there]]
    both = len(sources) > 1 and len(targets) > 1
    for one, other in connections(groups, len(sources), len(targets)):
        source, target = sources[one], targets[other]
        kernel: tuple[Point, ...] = ()
        if isinstance(layer, Conv | Local):
            half = min(0.5, layer.kernel / columns[here].outputs[-1][0][1] / 2)
            kernel = tuple(source.on_face(0.5 + down * half, 0.5 + across * half) for down, across in _CORNERS)
            yield Polygon(kernel, "#fdd49e")
        if both and one != other:
            yield Line(source.on_face(0.5, 0.5), target.entry, CROSSING, dashed=True)
        elif kernel:
            yield from (Line(corner, target.entry, LINES) for corner in kernel[1:3])
        else:
            yield Line(source.on_face(0.0, 1.0), (target.x, target.top), LINES)
            yield Line(source.on_face(1.0, 0.0), (target.x, target.top + target.height), LINES)


_CORNERS = ((-1, -1), (-1, 1), (1, 1), (1, -1))


def _heading(spec: Spec) -> Iterator[Label]:
    found = account(spec)
    yield Label(MARGIN, 26.0, spec.name, 15.0, bold=True)
    sums = f"{found.total('parameters'):,} parameters, {found.total('macs'):,} multiply-adds a picture"
    yield Label(MARGIN, 44.0, f"{sums}; {spec.classes:,} classes", 11.0)


def _caption(spec: Spec, scale: _Scale, columns: Sequence[_Column], y: float) -> Iterator[Shape]:
    """The scales as bars, what colours and lines mean, and what could not be drawn true."""
    x = MARGIN
    for number, noun, each in (
        (_round(spec.input_size / 4), "pixels", scale.pixel),
        (_round(60 / scale.map), "maps", scale.map),
        (_round(60 / scale.unit), "units", scale.unit),
    ):
        bar, text = number * each, f"{number:,} {noun}"
        yield Line((x, y), (x + bar, y), "#222222", width=2.0)
        yield Label(x + bar + 6.0, y + 4.0, text, SIZE)
        x += bar + text_width(text, SIZE) + 26.0
    for colours, text in ((CONVOLVED, "outputs of a layer"), (POOLED, "pooled")):
        yield Polygon(((x, y - 5), (x + 10, y - 5), (x + 10, y + 5), (x, y + 5)), colours[0])
        yield Label(x + 15.0, y + 4.0, text, SIZE)
        x += text_width(text, SIZE) + 32.0
    if crossings(spec):
        yield Line((x, y), (x + 26, y), CROSSING, dashed=True)
        yield Label(x + 31.0, y + 4.0, "from one tower into another", SIZE)
    notes = "Sides, depths and bars each have one scale. Orange: a kernel. Padding a, b: a at the left and top, "
    yield Label(MARGIN, y + 24.0, notes + "b at the right and bottom.", SIZE, colour=QUIET)
    remarks = list(_remarks(spec, scale, columns))
    if remarks:
        yield Label(MARGIN, y + 24.0 + LEADING, " ".join(remarks), SIZE, colour=QUIET)


def _remarks(spec: Spec, scale: _Scale, columns: Sequence[_Column]) -> Iterator[str]:
    most = max((layer.groups for layer in spec.layers if isinstance(layer, Conv)), default=1)
    if most > MOST:
        yield f"Its {most} groups are drawn as one tower."
    thin = [column.name for column in columns if isinstance(column.layer, Linear)]
    small = [name for name, column in zip(thin, columns[-len(thin) :], strict=True) if _thin(scale, column)]
    if thin and small:
        yield f"Drawn longer than to scale, so that it can be seen: {', '.join(small)}."


def _thin(scale: _Scale, column: _Column) -> bool:
    return column.outputs[0][0][0] * scale.unit < THINNEST


def _round(number: float) -> int:
    """The nearest number below that people like: 1, 2 or 5 with zeros."""
    power = 1
    while power * 10 <= number:
        power *= 10
    return max(1, next(step * power for step in (5, 2, 1) if step * power <= max(1.0, number)))
