"""A network that knows other classes already learns yours: fewer photographs, fewer epochs.

    python examples/finetune.py WEIGHTS PHOTOGRAPHS

WEIGHTS is a model or a run directory, or a file of published weights, such as torchvision's alexnet-owt-7be5be79.pth;
PHOTOGRAPHS a folder with one sub-folder for each class.
"""

import sys

import alexnet

if len(sys.argv) != 3:
    sys.exit("usage: python examples/finetune.py WEIGHTS PHOTOGRAPHS")
weights, photographs = sys.argv[1:]
model = alexnet.load(weights)

# photographs are resized as the model has always seen them; a fifth of each class is held out
store = alexnet.prepare(photographs, "finetune.store", split={"val": 0.2}, preparation=model.preparation)

# the last layer is new, because the classes are; freeze=["conv1", "conv2"] would save time and may cost accuracy
run = alexnet.train(store, model, recipe="finetune", out="runs/finetune")

tally = alexnet.evaluate(run.model, store, crops=10)
print(f"{tally.top1_error:.1%} of {tally.images} photographs that were held out are named wrongly")
for name, error in zip(store.class_names, tally.class_errors(), strict=True):
    print(f"  {name}: {error:.0%}")
