"""Fused kernels for processors and CUDA, and convolutions in tiles, each with a twin in plain PyTorch."""

from alexnet.kernels.augment import augment_batch
from alexnet.kernels.dropout import relu_dropout
from alexnet.kernels.fused import describe, use_twin
from alexnet.kernels.linear import linear, use_routes
from alexnet.kernels.native import available, where
from alexnet.kernels.norm import response_norm
from alexnet.kernels.pool import ORDERS, pooled_stage
from alexnet.kernels.prepared import PreparedConvolution, convolution, describe_convolutions
from alexnet.kernels.space_to_depth import space_to_depth, space_to_depth_weight
from alexnet.kernels.torch_compile import compile_twins
from alexnet.kernels.twins import NOT_SPATIAL, Padding, Spatial, spatial_norm
from alexnet.kernels.update import momentum_update

__all__ = [
    "NOT_SPATIAL",
    "ORDERS",
    "Padding",
    "PreparedConvolution",
    "Spatial",
    "augment_batch",
    "available",
    "compile_twins",
    "convolution",
    "describe",
    "describe_convolutions",
    "linear",
    "momentum_update",
    "pooled_stage",
    "relu_dropout",
    "response_norm",
    "space_to_depth",
    "space_to_depth_weight",
    "spatial_norm",
    "use_routes",
    "use_twin",
    "where",
]
