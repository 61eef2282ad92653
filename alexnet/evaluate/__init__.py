"""A trained network, measured and used. `alexnet.evaluate(…)` measures."""

import sys

import alexnet

sys.modules[__name__].__class__ = alexnet.CalledRoom
