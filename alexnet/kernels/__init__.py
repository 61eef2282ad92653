"""Fused CPU kernels of the network's memory-bound steps, each with a twin in plain PyTorch."""

from alexnet.kernels.augment import augment_fold
from alexnet.kernels.compiled import compile_twins
from alexnet.kernels.fold import fold_image, fold_weight
from alexnet.kernels.native import available, describe, where
from alexnet.kernels.ops import ORDERS, momentum_update, pooled_stage, relu_dropout, response_norm, use_twin

__all__ = [
    "ORDERS",
    "augment_fold",
    "available",
    "compile_twins",
    "describe",
    "fold_image",
    "fold_weight",
    "momentum_update",
    "pooled_stage",
    "relu_dropout",
    "response_norm",
    "use_twin",
    "where",
]
