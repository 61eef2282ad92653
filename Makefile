# make install   the virtual environment with all that demo and test need
# make demo      the main job on the built-in set: prepare, train, evaluate, predict
# make test      the tests;  make lint  ruff and mypy;  make check  both
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: install demo test lint check clean

install: $(STAMP)

# Installed versions are pinned in requirements.txt; pyproject.toml asks for ranges.
$(STAMP): pyproject.toml requirements.txt setup.py $(wildcard alexnet/kernels/*.cpp alexnet/kernels/*.h)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: install
	$(BIN)/alexnet demo

test: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

clean:
	rm -rf $(VENV) build *.egg-info
