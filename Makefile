# Thin doors to the commands; everything they do can be done by hand with pip, pytest and rftlab.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
GRID ?= notebooks/grids/demo.yaml

# What builds the package is pinned too: pip reads the first for building until version 25, the second from then on.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt

.PHONY: demo test test-all proof simulations lab lint constraints bench report clean

demo: $(VENV)/.installed
	$(BIN)/rftlab run $(GRID)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-all: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

proof: $(VENV)/.installed-dev
	$(BIN)/python -m tests.proof

simulations: $(VENV)/.installed-dev
	$(BIN)/python -m tests.simulations

lab: $(VENV)/.installed
	$(BIN)/jupyter lab notebooks

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# dev holds what every other extra does, but for trackio, which would hold Pillow back, and vllm, which wants a torch of
# its own.
constraints: $(VENV)/.installed-dev
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --no-annotate \
	  --custom-compile-command "make constraints" --output-file constraints.txt $(UPGRADE)

bench: $(VENV)/.installed-dev
	$(BIN)/python -m tests.bench

report: $(VENV)/.installed
	$(BIN)/rftlab report results/$(basename $(notdir $(GRID)))

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist *.egg-info
