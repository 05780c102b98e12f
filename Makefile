# Needs Python (3.11 or newer) and make; everything else goes into .venv. Another interpreter gets an
# environment of its own: `make test PYTHON=python3.12` uses .venv-python3.12.
PYTHON ?= python3
VENV := $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: setup help test test-slow mutation lint demo benchmarks clean

setup: $(STAMP)

help:
	@echo "make setup       create $(VENV) with everything that is needed"
	@echo "make lint        check format, style and types"
	@echo "make test        lint, then the fast tests"
	@echo "make test-slow   the tests that take minutes"
	@echo "make mutation    change the code a little, again and again, and list what no test notices (hours)"
	@echo "make demo        run, compare and plot studies/quickstart"
	@echo "make benchmarks  run everything in benchmarks/"
	@echo "make clean       remove environments and build products"
	@echo "PYTHON=python3.12 runs any of them with another interpreter, in an environment of its own."

# torch comes first, with its own dependencies (its CUDA build needs them); everything else exactly as
# locked. Without --no-deps aihwkit would bring build tools, and torchvision, which breaks CPU builds.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0 setuptools
	$(BIN)/python -m pip install --quiet --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(STAMP)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest -q -n auto --dist loadfile --no-loadscope-reorder

test-slow: setup
	$(BIN)/pytest -q -m "slow and not network"

# Goes on where it was stopped. MODULES=lionheart_opt/limits.py tries one module.
mutation: setup
	nice $(BIN)/python tests/mutation/run.py --sample 150 $(MODULES)

demo: setup
	$(BIN)/lionheart-opt run studies/quickstart
	$(BIN)/lionheart-opt compare studies/quickstart
	$(BIN)/lionheart-opt plot studies/quickstart

benchmarks: setup
	for file in benchmarks/*.py; do $(BIN)/python $$file; done

clean:
	rm -rf .venv .venv-* build dist *.egg-info
