import json
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from commanding import alexnet, refusal
from making import tiny_spec

from alexnet.model.account import account
from alexnet.model.spec import Spec
from alexnet.model.variants import networks, variant
from alexnet.show.architecture import CONVOLVED, CROSSING, POOLED, architecture
from alexnet.show.drawing import Drawing, Label, Line, Polygon, to_svg

NETWORKS = [
    *networks().values(),
    tiny_spec(),
    variant("paper", classes=2, groups=4, batch_norm=True, activation="tanh", pooling="plain"),
    variant("paper", groups=32),
    variant("original2012", groups=1, classes=101),
    variant("owt", groups=2, batch_norm=True),
    variant("tflearn", norm=False, channels=1, input_size=67),
    variant("paper", input_size=448, classes=21841),
]


def fronts(drawing: Drawing, colours: tuple[str, str, str]) -> list[tuple[float, float]]:
    """Width and height of every front face in these colours."""
    faces = [shape.points for shape in drawing.shapes if isinstance(shape, Polygon) and shape.fill == colours[0]]
    return [(right[0] - left[0], bottom[1] - left[1]) for left, right, bottom, _ in faces]


@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: f"{spec.name}-{spec.classes}-{spec.input_size}")
def test_no_text_covers_another_and_none_leaves_the_sheet(spec: Spec) -> None:
    drawing = architecture(spec)
    labels = [shape for shape in drawing.shapes if isinstance(shape, Label)]
    for label in labels:
        left, top, right, bottom = label.box
        assert left >= 0 and top >= 0 and right <= drawing.width and bottom <= drawing.height, label
    for one, other in combinations(labels, 2):
        (left, top, right, bottom), (left2, top2, right2, bottom2) = one.box, other.box
        assert right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top, (one, other)


def test_sides_depths_and_bars_are_to_scale() -> None:
    drawing = architecture(variant("paper"))
    boxes = fronts(drawing, CONVOLVED)[:-1]  # the last is the legend's
    maps = [(48, 55), (48, 55), (128, 27), (128, 27), (192, 13), (192, 13), (192, 13), (192, 13), (128, 13), (128, 13)]
    pixel, per_map = boxes[0][1] / 55, boxes[0][0] / 48
    assert boxes[:10] == [pytest.approx((depth * per_map, side * pixel)) for depth, side in maps]
    unit = boxes[10][1] / 2048
    assert [height / unit for _, height in boxes[10:]] == pytest.approx([2048, 2048, 2048, 2048, 1000])
    assert fronts(drawing, POOLED)[:2] == [pytest.approx((48 * per_map, 27 * pixel))] * 2


def test_scale_bars_are_as_long_as_they_say() -> None:
    drawing = architecture(variant("paper"))
    bars = [shape for shape in drawing.shapes if isinstance(shape, Line) and shape.width == 2.0]
    lengths = [bar.end[0] - bar.start[0] for bar in bars]
    depth, side = fronts(drawing, CONVOLVED)[0]
    assert lengths == pytest.approx([50 * side / 55, 100 * depth / 48, 1000 * 200 / 4096])


@pytest.mark.parametrize(
    ("spec", "names", "lines"),
    [
        (variant("paper"), ["conv3", "fc6", "fc7"], 6),
        (variant("paper", groups=4), ["conv3", "fc6", "fc7"], 36),
        (variant("owt"), [], 0),
    ],
    ids=["paper", "four groups", "one tower"],
)
def test_crossings_are_drawn_where_layers_reach_other_towers(spec: Spec, names: list[str], lines: int) -> None:
    drawn = [shape for shape in architecture(spec).shapes if isinstance(shape, Line) and shape.colour == CROSSING]
    legend = 1 if names else 0
    assert len(drawn) == lines + legend
    assert all(line.dashed for line in drawn)  # colour is not the only sign


def test_what_cannot_be_drawn_true_is_said() -> None:
    said = " ".join(
        shape.text for shape in architecture(variant("paper", groups=32, classes=2)).shapes if isinstance(shape, Label)
    )
    assert "Its 32 groups are drawn as one tower." in said
    assert "Drawn longer than to scale, so that it can be seen: fc8." in said


def test_the_svg_is_xml_with_a_title_and_the_same_bytes_each_time() -> None:
    spec = variant("paper")
    svg = to_svg(architecture(spec))
    root = ElementTree.fromstring(svg)
    assert root[0].text == "The network paper, drawn to scale"
    assert svg == to_svg(architecture(spec))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "60,965,224 parameters, 724,406,816 multiply-adds a picture; 1,000 classes" in texts


def test_names_are_text_not_markup() -> None:
    spec = Spec("<b>&", tiny_spec().layers, input_size=32, classes=3)
    assert ElementTree.fromstring(to_svg(architecture(spec)))[0].text == "The network <b>&, drawn to scale"


def test_the_command_writes_an_svg_and_prints_the_account(tmp_path: Path) -> None:
    out = tmp_path / "a.svg"
    assert alexnet("show", "architecture", "paper", "--set", "groups=1", "-o", out).stdout == f"Picture  {out}\n"
    assert out.read_text(encoding="utf-8") == to_svg(architecture(variant("paper", groups=1)))
    told = json.loads(alexnet("show", "architecture", "paper", "--json").stdout)
    assert told == {
        **json.loads(json.dumps(account(variant("paper")).to_json())),
        "towers": 2,
        "crossings": ["conv3", "fc6", "fc7"],
    }


def test_a_picture_without_a_known_ending_is_refused(tmp_path: Path) -> None:
    assert "is written as .png, .svg, .pdf" in refusal("show", "architecture", "-o", tmp_path / "a.jpg")[1]
