# Needs Python (3.11 or newer) and make; everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: setup test test-slow lint demo benchmarks clean

setup: $(STAMP)

# torch comes first, with its own dependencies (its CUDA build needs them); everything else exactly as
# locked. Without --no-deps aihwkit would bring build tools, and torchvision, which breaks CPU builds.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet torch==2.13.0 setuptools
	$(BIN)/python -m pip install --quiet --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(STAMP)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest -q

test-slow: setup
	$(BIN)/pytest -q -m "slow and not network"

demo: setup
	$(BIN)/lionheart-opt run studies/quickstart
	$(BIN)/lionheart-opt compare studies/quickstart
	$(BIN)/lionheart-opt plot studies/quickstart

benchmarks: setup
	for file in benchmarks/*.py; do $(BIN)/python $$file; done

clean:
	rm -rf .venv build dist *.egg-info
