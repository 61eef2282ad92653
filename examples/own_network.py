"""A network of one's own: a table of layers, its account, and the same training and evaluation as every other.

python examples/own_network.py
"""

import alexnet
from alexnet.model.spec import Activation, Conv, Dropout, Linear, MaxPool, ResponseNorm, Spec

# AlexNet for small pictures: 56 of 64 pixels, four learned layers
spec = Spec(
    name="small_pictures",
    layers=(
        Conv("conv1", 32, 5, stride=2, padding=2, std=0.03),
        Activation("relu1"),
        ResponseNorm("norm1"),
        MaxPool("pool1"),
        Conv("conv2", 64, 3, padding=1, groups=2, std=0.05, bias=0.1),
        Activation("relu2"),
        MaxPool("pool2"),
        Linear("fc3", 128, std=0.01, bias=0.1),
        Activation("relu3"),
        Dropout("drop3"),
        Linear("fc4", None, std=0.05),  # as many units as there are classes
    ),
    input_size=56,
    classes=10,
    summary="Four layers for pictures of 64 pixels.",
)
for row in alexnet.account(spec).rows:
    print(f"{row.name:6} {' × '.join(map(str, row.output)):14} {row.parameters:9,} parameters")

store = alexnet.prepare("shapes", "small.store", preparation=alexnet.Preparation(side=64))
run = alexnet.train(store, spec, recipe="demo", out="runs/small_pictures")

tally = alexnet.evaluate(run.model, store, split="test")
print(f"{tally.top1_error:.1%} wrong")

# every stage has its name; the network itself is a torch.nn.Module: alexnet.load(run.model).net
stages = alexnet.extract(run.model, store.read(0), ["norm1", "relu3"])
print({name: array.shape for name, array in stages.items()})
