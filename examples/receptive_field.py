"""What a unit looks at: its receptive field in pixels of the photograph itself.

    python examples/receptive_field.py MODEL PHOTOGRAPH STAGE

For the unit of the stage that answers most strongly: which one it is, and the part of the photograph that it sees.
"""

import sys

import numpy as np

import alexnet
from alexnet.model.field import seen_by

if len(sys.argv) != 4:
    sys.exit("usage: python examples/receptive_field.py MODEL PHOTOGRAPH STAGE")
model, photograph, stage = sys.argv[1:]
predictor = alexnet.Predictor(model, placement=alexnet.place("auto", "fp32"))
values = predictor.stages(photograph, stage)[stage][0]
unit, *place = np.unravel_index(values.argmax(), values.shape)
row, column = place or (0, 0)  # behind a fully connected layer there are no places: each unit sees all
kind, where = ("channel", f" at row {row}, column {column}") if place else ("unit", "")
print(f"{stage}: {kind} {unit} answers {values.max():.2f}{where}")

# from the network's input to the prepared square, and from that to the photograph as it was
seen = predictor.views(photograph)
box = np.array(seen_by(predictor.description.spec, stage, int(row), int(column)), float).reshape(2, 2)
left, top, right, bottom = seen.part
scale = np.array([right - left, bottom - top]) / seen.square.shape[0]
corners = np.array([left, top]) + (box + seen.boxes[0, :2]) * scale
width, height = seen.size
(x1, y1), (x2, y2) = corners
print(f"it sees {x1:.0f} to {x2:.0f} of {width} pixels across, {y1:.0f} to {y2:.0f} of {height} down")
