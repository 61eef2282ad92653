"""From photographs to answers in four calls: prepare, train, evaluate, predict.

python examples/quickstart.py                 # the built-in pictures, some minutes
python examples/quickstart.py PHOTOGRAPHS     # a folder with one sub-folder for each class
"""

import sys

import alexnet

source = sys.argv[1] if len(sys.argv) > 1 else "shapes"
store = alexnet.prepare(source, "quickstart.store")  # is there already: opened
print(f"{len(store):,} photographs of {len(store.classes)} classes: {store.splits}")

run = alexnet.train(store, "paper", recipe="demo", out="runs/quickstart")

split = "test" if "test" in store.splits else "val"
tally = alexnet.evaluate(run.model, store, split=split, crops=10)
chance = 1 - 1 / len(store.classes)
print(f"{tally.top1_error:.1%} of {tally.images} photographs are named wrongly, chance is {chance:.0%}")

predictor = alexnet.Predictor(run.model)  # loaded once, for as many questions as one likes
for position in store.split(split)[:3]:
    prediction = predictor.predict(store.read(position), top=3)  # a path, bytes or a Pillow image would do as well
    said = ", ".join(f"{answer.name} {answer.probability:.1%}" for answer in prediction.answers)
    print(f"{store.paths[position]}: {said}")
