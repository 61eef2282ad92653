"""Where on the input a unit looks: its receptive field as a box of pixels."""

from alexnet.model.account import account
from alexnet.model.geometry import around
from alexnet.model.spec import Linear, SpatialNorm, Spec, Windowed


def seen_by(spec: Spec, stage: str, row: int, column: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the input's pixels that the unit at (row, column) of a stage depends on.

    Cut off at the border; the whole input for what comes after a fully connected layer. Raises ConfigError, naming the
    nearest, for an unknown stage.
    """
    spec.layer(stage)
    size, jump, start, field = spec.input_size, 1, 0, 1
    for layer, found in zip(spec.layers, account(spec).rows, strict=True):
        if isinstance(layer, Linear):
            return 0, 0, spec.input_size, spec.input_size
        if isinstance(layer, Windowed):
            start -= around(layer, size)[0] * jump
            field += (layer.kernel - 1) * jump
            jump *= layer.stride
        elif isinstance(layer, SpatialNorm):
            start -= layer.size // 2 * jump
            field += (layer.size - 1) * jump
        size = found.output[1]
        if layer.name == stage:
            break
    left, top = start + column * jump, start + row * jump
    return (
        max(0, left),
        max(0, top),
        min(spec.input_size, left + field),
        min(spec.input_size, top + field),
    )
