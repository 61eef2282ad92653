"""What `alexnet bench` measures, by name."""

from collections.abc import Callable
from typing import Final

from alexnet.experiments.bench.connecting import bench_linear
from alexnet.experiments.bench.extracting import bench_features
from alexnet.experiments.bench.loading import bench_loader
from alexnet.experiments.bench.normalising import bench_lrn
from alexnet.experiments.bench.predicting import bench_predict
from alexnet.experiments.bench.preparing import bench_prepare
from alexnet.experiments.bench.showing import bench_show
from alexnet.experiments.bench.step import bench_step
from alexnet.experiments.bench.timing import Measurement
from alexnet.experiments.bench.training import bench_train

BENCHES: Final[dict[str, Callable[..., list[Measurement]]]] = {
    "step": bench_step,
    "train": bench_train,
    "loader": bench_loader,
    "prepare": bench_prepare,
    "predict": bench_predict,
    "features": bench_features,
    "show": bench_show,
    "lrn": bench_lrn,
    "linear": bench_linear,
}
"""Each takes spec, batch_size, placement, rounds and data by keyword, and leaves what it has no use for."""
