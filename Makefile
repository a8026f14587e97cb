# make train   set up everything, then train LeNet on real digits with a live curve
# make test    set up everything, then run the tests
# make check   format, lint, types, floors, sizes
# `make help` tells the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# Other libraries to compare with, over a torch of their own: several GB, so outside the project, where it outlives `clean`.
PEERS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fourstep/peers

.DEFAULT_GOAL := help
.PHONY: help train test test-slow check format results bench bench-data bench-peers faults faults-long lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

CHECK_PYTHON = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"fourstep needs Python 3.11 or later, and {sys.executable} is {sys.version.split()[0]}: make PYTHON=python3.12 $(MAKECMDGOALS)")'

# The set-up is done once, and again when the lock or the package's own settings change.
$(READY): requirements-dev.txt pyproject.toml
	@$(CHECK_PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

train: $(READY)  ## train LeNet on real handwritten digits, with a live curve
	@$(BIN)/fourstep train lenet --data digits

test: $(READY)  ## run the tests, the code blocks of README and docs among them
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -q -m "not slow and not alone" -n auto --dist loadfile
	$(BIN)/python -m pytest -q -m "alone and not slow"

test-slow: $(READY)  ## run the tests that take longer
	$(BIN)/python -m pytest -q -m slow --timeout 1800

check: $(READY)  ## format, lint, types, floors, sizes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_house.py -k "fits or screen or name"

format: $(READY)  ## put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

results: $(READY)  ## train all that the book trains, three seeds each, into docs/results.md (about a quarter of an hour)
	$(BIN)/python benchmarks/book.py

bench: $(READY)  ## measure speed, memory and start-up side by side, in fresh processes (a quarter of an hour; let the machine rest meanwhile)
	$(BIN)/python benchmarks/speed.py

bench-peers: $(PEERS)/ready  ## the same beside Lightning, Keras, skorch, Ignite, Accelerate and fastai
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(PEERS)/bin/python benchmarks/speed.py --peers

bench-data: $(READY)  ## the same for data of one's own: JPEGs beside DataLoader with Pillow, a CSV file beside pandas and rows
	$(BIN)/python benchmarks/own_data.py

# fourstep itself is not a part of it: each working copy installs its own before it measures.
$(PEERS)/ready: benchmarks/requirements-peers.txt
	@$(CHECK_PYTHON)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-peers.txt
	@touch $@

faults: $(READY)  ## break runs in every way, and look whether they go on, equal in every bit (about ten minutes)
	$(BIN)/python faults/run.py --jobs 2

# In parts that can run side by side, on other machines too: make faults-long SHARD=1/2. What FAULTS holds is not done again.
SHARD ?= 1/1
FAULTS ?= faults-long.jsonl
faults-long: $(READY)  ## the same as often as docs/reliability.md says; interrupted, it goes on where it was
	$(BIN)/python faults/run.py --long --shard $(SHARD) --out $(FAULTS)

lock: ## write requirements-dev.txt anew from pyproject.toml, in a fresh environment
	rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	$(VENV)-lock/bin/python -m pip freeze --exclude-editable --exclude pip --exclude setuptools | sed 's/+cpu$$//' > requirements-dev.txt
	rm -rf $(VENV)-lock

clean:  ## remove the environment and what the tools left
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
