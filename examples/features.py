"""What a network makes of photographs before it decides, as arrays; and which photographs it finds alike.

python examples/features.py MODEL PHOTOGRAPH PHOTOGRAPH...
"""

import sys

import numpy as np

import alexnet

if len(sys.argv) < 4:
    sys.exit("usage: python examples/features.py MODEL PHOTOGRAPH PHOTOGRAPH...")
model, *photographs = sys.argv[1:]

# relu7 is the last hidden layer, as the paper means it: 4,096 numbers for each photograph
features = alexnet.extract(model, photographs, ["pool5", "relu7"])
for name, array in features.items():
    print(name, array.shape, array.dtype)
np.savez("features.npz", photographs=photographs, **features)

# Euclidean distances between all pairs (the paper's figure 4, right)
vectors = features["relu7"].astype(np.float64)
distances = np.sqrt(((vectors[:, None] - vectors[None]) ** 2).sum(axis=2))
np.fill_diagonal(distances, np.inf)
for photograph, row in zip(photographs, distances, strict=True):
    print(f"{photograph} is most like {photographs[row.argmin()]}, at a distance of {row.min():.1f}")

# more photographs than memory holds: batch by batch, each as the model asks for it
predictor = alexnet.Predictor(model, placement=alexnet.place("auto", "fp32"))
squares = (predictor.read(photograph).pixels for photograph in photographs)
means = [batch["relu7"].mean(axis=1) for batch in predictor.stages_of(squares, ["relu7"])]
print("mean activation of relu7:", np.concatenate(means).round(3))
