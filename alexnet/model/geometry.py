"""Sizes and paddings of windows that slide over an image."""

from alexnet.errors import unknown
from alexnet.model.spec import Windowed

PADDINGS = ("ceil", "same")  # the rules; see `alexnet.model.spec.Padding`


def around(layer: Windowed, size: int) -> tuple[int, int]:
    """What `layer` puts before and after `size` pixels: (left or top, right or bottom).

    Raises ConfigError for an unknown rule.
    """
    match layer.padding:
        case "ceil":
            return 0, ceil_padding(size, layer.kernel, layer.stride)
        case "same":
            return same_padding(size, layer.kernel, layer.stride)
        case str():
            raise unknown(f"padding of {layer.name}", layer.padding, PADDINGS)
        case int():
            return layer.padding, layer.padding
        case before, after:
            return before, after


def window_positions(size: int, kernel: int, stride: int) -> int:
    """The number of whole windows in `size` pixels: the floor rule."""
    return (size - kernel) // stride + 1


def window_sizes(layer: Windowed, size: int) -> tuple[int, ...]:
    """How many of `size` pixels each window of `layer` covers, its padding left out."""
    before, after = around(layer, size)
    positions = max(0, window_positions(before + size + after, layer.kernel, layer.stride))
    starts = [at * layer.stride - before for at in range(positions)]
    return tuple(max(0, min(size, start + layer.kernel) - max(0, start)) for start in starts)


def ceil_padding(size: int, kernel: int, stride: int) -> int:
    """The zeros to append to `size` pixels so that the last window is whole: 3 for 224 pixels under 11/4, 0 for 227."""
    return -(size - kernel) % stride


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """What TensorFlow's SAME puts before and after `size` pixels: (4, 4) for 227 pixels under 11/4, (3, 4) for 224."""
    positions = -(-size // stride)
    both = max(0, (positions - 1) * stride + kernel - size)
    return both // 2, both - both // 2
