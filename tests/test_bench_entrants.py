import ast
from pathlib import Path

import pytest
from entrants import OURS, RATIOS, SECTIONS, Entrant

CONTENDERS = Path(__file__).parents[1] / "bench" / "contenders"
ENTRANTS = [entrant for section in SECTIONS.values() for entrant in section.entrants.values()]


@pytest.mark.parametrize("ratio", RATIOS, ids=lambda ratio: ratio.title)
def test_ratios_are_of_contenders_in_one_section(ratio: object) -> None:
    entrants = SECTIONS[ratio.section].entrants  # type: ignore[attr-defined]
    ours, others = entrants[ratio.ours], [entrants[name] for name in ratio.others]  # type: ignore[attr-defined]
    assert ours.environment == OURS
    assert all(other.environment != OURS and other.unit == ours.unit for other in others)


def test_every_training_step_and_inference_is_in_both_types_where_it_can() -> None:
    for section in ("step", "forward"):
        names = set(SECTIONS[section].entrants)
        alone = {name for name in names if not {name.replace("fp32", "bf16"), name.replace("bf16", "fp32")} <= names}
        assert alone <= {"onnxruntime fp32"}  # which has no bf16 kernels on a CPU


@pytest.mark.parametrize("entrant", ENTRANTS, ids=lambda entrant: entrant.title)
def test_scripts_exist_and_use_the_settings_they_are_given(entrant: Entrant) -> None:
    tree = ast.parse((CONTENDERS / entrant.script).read_text())
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert set(entrant.settings) - {"task"} <= texts
