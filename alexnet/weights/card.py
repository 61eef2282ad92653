"""The model card that lies beside every model's weights."""

from typing import Any

from alexnet.data.preparation import Preparation


def model_card(description: dict[str, Any]) -> str:
    """Markdown about the model whose model.json is `description`: what it is, how it was made, how to use it."""
    spec, provenance, classes = description["spec"], description["provenance"], description["classes"]
    preparation = Preparation.from_json(description["preparation"])
    names = ", ".join(category["name"] for category in classes[:20]) + (", …" if len(classes) > 20 else "")
    lines = [
        "---",
        "library_name: alexnet",
        "pipeline_tag: image-classification",
        "---",
        "",
        f"# {spec['name']}: {len(classes)} classes",
        "",
        spec["summary"] or "A network of the AlexNet family.",
        "",
        "| | |",
        "| --- | --- |",
        f"| Network | `{spec['name']}`, {spec['input_size']} × {spec['input_size']} input |",
        f"| Classes | {names} |",
        *(f"| {key.capitalize()} of the input | {text} |" for key, text in preparation.in_words.items()),
        *(f"| {key.replace('_', ' ').capitalize()} | {_cell(value)} |" for key, value in provenance.items()),
        "",
        "## Use",
        "",
        "```",
        "alexnet predict THIS_DIRECTORY photograph.jpg",
        "alexnet evaluate THIS_DIRECTORY DATA --crops 10",
        "```",
        "",
        "## Limits",
        "",
        "The model knows the classes above and nothing else: every image gets one of them. Its errors were measured on",
        "photographs like those it was trained on. The photographs' own terms apply to what was learned from them.",
        "",
    ]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_cell, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
