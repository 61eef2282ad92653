"""A network made: recipes, the update rule, the loop, the run directory. `alexnet.train(…)` trains."""

import sys

import alexnet

sys.modules[__name__].__class__ = alexnet.CalledRoom
