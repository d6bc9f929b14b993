# make train   trains the vortex and its unconstrained twin, into runs/
# make test    runs the tests
# Both set up .venv by themselves; only Python 3.11 and make are needed.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: train test test-slow lint types clean

train: $(VENV)/installed
	$(BIN)/python scripts/train.py experiment=vortex law=none resume=true
	$(BIN)/python scripts/train.py experiment=vortex resume=true

test: $(VENV)/installed-for-tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto

test-slow: $(VENV)/installed-for-tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto -m slow

lint: $(VENV)/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-for-tests
	$(BIN)/mypy

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-for-tests: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
