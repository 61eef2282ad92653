"""Layers that exporters write in other ways, in the one way that `alexnet.weights.onnx.read` takes for a layer.

Each is the same function of its input, and its numbers stay what they are:

- Conv, or Gemm, without biases: biases of 0;
- Conv and then Add of one number a map: its biases;
- Gemm with transB 0: its weights transposed, transB 1; biases of shape (1, units) or one number for all: (units,);
- MatMul with a matrix, with an Add of one number a unit behind it or without: Gemm.

What is none of these is left as it is, to be read or refused.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.weights.onnx.extra import onnx_package

Tensors = dict[str, NDArray[Any]]


def spell(graph: Any, tensors: Tensors) -> None:
    """Changes the nodes of `graph`, and the constants that they take, in place."""
    users: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            users[name] = users.get(name, 0) + 1
    taken = list(graph.node)
    nodes: list[Any] = []
    while taken:
        node = taken.pop(0)
        add = taken[0] if taken else None
        if _is_learned(node, tensors):
            if node.op_type == "MatMul":
                _as_gemm(node)
            if node.op_type == "Gemm" and _number(node, "transB") == 0:
                _transpose(node, tensors, users)
            alone = len(node.output) == 1 and users.get(node.output[0]) == 1
            if len(node.input) == 2 and alone and (name := _added(node, add, tensors)) is not None:
                node.input.append(_flat(name, node, tensors, users))
                node.output[0] = taken.pop(0).output[0]
            elif len(node.input) == 2:
                node.input.append(_zeros(node, tensors))
            elif node.op_type == "Gemm" and tensors.get(node.input[2], np.empty(0)).size in (1, _rows(node, tensors)):
                node.input[2] = _flat(node.input[2], node, tensors, users)
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _is_learned(node: Any, tensors: Tensors) -> bool:
    """Whether the node is one of those above, with its weights at hand."""
    ranks = {"Conv": 4, "Gemm": 2, "MatMul": 2}
    weights = tensors.get(node.input[1]) if len(node.input) in (2, 3) else None
    if node.op_type not in ranks or weights is None or weights.ndim != ranks[node.op_type]:
        return False
    return len(node.input) == 2 or node.op_type != "MatMul"


def _rows(node: Any, tensors: Tensors) -> int:
    """Maps or units that the node gives; a Gemm's weights are transposed by then."""
    return len(tensors[node.input[1]])


def _number(node: Any, name: str) -> int:
    return next((int(each.i) for each in node.attribute if each.name == name), 0)


def _as_gemm(node: Any) -> None:
    node.op_type = "Gemm"


def _transpose(node: Any, tensors: Tensors, users: dict[str, int]) -> None:
    transposed = np.ascontiguousarray(tensors[node.input[1]].T)
    node.input[1] = _changed(node.input[1], transposed, node, tensors, users)
    others = [each for each in node.attribute if each.name != "transB"]
    del node.attribute[:]
    node.attribute.extend([*others, onnx_package().helper.make_attribute("transB", 1)])


def _added(node: Any, add: Any, tensors: Tensors) -> str | None:
    """The name of the constant that the node `add` adds to what `node` gives, one number a map or unit; else None."""
    if add is None or add.op_type != "Add" or len(add.input) != 2 or add.domain != node.domain or add.attribute:
        return None
    given = [name for name in add.input if name != node.output[0]]
    if len(given) != 1 or given[0] not in tensors:
        return None
    rows, shape = _rows(node, tensors), tensors[given[0]].shape
    wanted = {(rows, 1, 1), (1, rows, 1, 1)} if node.op_type == "Conv" else {(rows,), (1, rows)}
    return given[0] if shape in wanted else None


def _flat(name: str, node: Any, tensors: Tensors, users: dict[str, int]) -> str:
    """The name of that constant as biases (rows,)."""
    biases = np.broadcast_to(tensors[name].reshape(-1), _rows(node, tensors)).copy()
    return name if tensors[name].shape == biases.shape else _changed(name, biases, node, tensors, users)


def _zeros(node: Any, tensors: Tensors) -> str:
    name = f"{node.input[1]}, no biases"
    tensors[name] = np.zeros(_rows(node, tensors), tensors[node.input[1]].dtype)
    return name


def _changed(name: str, array: NDArray[Any], node: Any, tensors: Tensors, users: dict[str, int]) -> str:
    """The name under which the changed constant is held: its own, unless another node takes it as it was."""
    name = name if users[name] == 1 else f"{name}, as {node.output[0]} takes it"
    tensors[name] = array
    return name
