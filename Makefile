# make install   the virtual environment with all that demo and test need
# make demo      the main job on the built-in set: prepare, train, evaluate, predict
# make page      the demo's model in a browser: the address of a page to look inside it
# make test      the tests;  make lint  ruff and mypy;  make check  both
# make parallel  several processes, towers, two simulated machines: the tests, then rates and bytes, on an idle machine
# make sanitize  the kernels' tests under the address and undefined-behaviour sanitizers
# make faults    kills, failing calls, poor machines, mutated files: a quarter of an hour (docs/reliability.md)
# make bench     this project beside other programs, in an environment of their own (7 GB) and some 20 minutes
# make proofs    torchvision, TensorFlow, ONNX Runtime and OpenVINO compute the same: there, in some 2 minutes
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PEERS  := bench/.venv

.PHONY: install demo page test lint check parallel faults bench proofs sanitize clean

install: $(STAMP)

# Installed versions are pinned in requirements.txt; pyproject.toml asks for ranges.
$(STAMP): pyproject.toml requirements.txt setup.py $(wildcard alexnet/*/*.cpp alexnet/kernels/*.h)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: install
	$(BIN)/alexnet demo

page: install
	test -d alexnet-demo/run/model || $(BIN)/alexnet demo
	$(BIN)/alexnet serve alexnet-demo/run --run alexnet-demo/run

test: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

sanitize: install
	PYTHON=$(abspath $(BIN)/python) tests/sanitize_kernels.sh

# FAULTS="--kills 20 --every 10 --mutations 1000" for a part of it, --seed 1 for others.
faults: install
	$(BIN)/python tests/faults/harness.py --lanes 2 --keep build/faults $(FAULTS)

# WIRE="--rounds 1 --steps 2 --batch 16": see bench/wire.py. Two machines need root.
PARALLEL := $(addprefix tests/test_,$(addsuffix .py,data_parts model_towers training_circle training_team training_exchange \
            training_sharing training_towers training_machines cli_team))
parallel: install
	$(BIN)/python -m pytest -rs $(PARALLEL)
	$(BIN)/python bench/wire.py $(WIRE)

# BENCH="--quick" or BENCH="step --rounds 9": see bench/README.md.
bench: install $(PEERS)/.installed
	$(BIN)/python bench/compare.py $(BENCH)

# PROOFS="lrn tflearn" or PROOFS=--golden.
proofs: install $(PEERS)/.installed
	$(BIN)/python bench/prove.py $(PROOFS)

$(PEERS)/.installed: bench/requirements.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement bench/requirements.txt
	touch $@

clean:
	rm -rf $(VENV) $(PEERS) build *.egg-info
