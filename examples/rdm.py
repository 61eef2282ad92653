"""Which stimuli two networks find alike, stage by stage: representational dissimilarity matrices.

    python examples/rdm.py MODEL OTHER STIMULUS STIMULUS STIMULUS...

An entry of a matrix is 1 minus the correlation of a stage's numbers for two stimuli, in the order in which they are
given. Two networks are compared by the rank correlation of their matrices, as studies of brains do with recordings;
it is nan where an entry is NaN, or where all are equal: then nothing can be told.
"""

import sys

import numpy as np

import alexnet


def dissimilarities(features: np.ndarray) -> np.ndarray:
    """The matrix (N, N) of the rows (N, …), in float64; NaN for a stimulus that a stage has only one number for."""
    rows = features.reshape(len(features), -1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - np.corrcoef(rows)


def ranks(matrix: np.ndarray) -> np.ndarray:
    """The ranks of the entries above the diagonal; equal ones have the mean of theirs. All NaN where one is NaN."""
    entries = matrix[np.triu_indices(len(matrix), 1)].round(9)  # beyond that they differ by rounding
    if np.isnan(entries).any():
        return np.full(len(entries), np.nan)
    _, places, counts = np.unique(entries, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[places]


if len(sys.argv) < 6:
    sys.exit("usage: python examples/rdm.py MODEL OTHER STIMULUS STIMULUS STIMULUS...")
model, other, *stimuli = sys.argv[1:]
matrices = {}
for which in (model, other):
    network = alexnet.load(which)
    stages = [layer.name for layer in network.net.spec.layers]
    features = alexnet.extract(network, stimuli, stages)  # fp32, the same preparation as in training
    matrices[which] = {stage: dissimilarities(features[stage]) for stage in stages}

named = {f"{which} {stage}": each for which, stages in matrices.items() for stage, each in stages.items()}
np.savez("rdm.npz", stimuli=stimuli, **{name.replace("/", "_"): each for name, each in named.items()})
for stage in (stage for stage in matrices[model] if stage in matrices[other]):
    pair = ranks(matrices[model][stage]), ranks(matrices[other][stage])
    with np.errstate(invalid="ignore"):
        print(f"{stage:8} rank correlation of the two networks {np.corrcoef(*pair)[0, 1]:.3f}")
