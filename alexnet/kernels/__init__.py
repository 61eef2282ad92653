"""Fused CPU kernels of the network's memory-bound steps, each with a twin in plain PyTorch."""

from alexnet.kernels.augment import augment_batch
from alexnet.kernels.native import available, describe, where
from alexnet.kernels.ops import ORDERS, momentum_update, pooled_stage, relu_dropout, response_norm, use_twin
from alexnet.kernels.space_to_depth import space_to_depth, space_to_depth_weight
from alexnet.kernels.torch_compile import compile_twins

__all__ = [
    "ORDERS",
    "augment_batch",
    "available",
    "compile_twins",
    "describe",
    "momentum_update",
    "pooled_stage",
    "relu_dropout",
    "response_norm",
    "space_to_depth",
    "space_to_depth_weight",
    "use_twin",
    "where",
]
