# `make demo` and `make test` need only Python 3.11+, git and make: they create .venv and install pinned dependencies.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo serve test check bench clients docs clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("dragoman needs Python 3.11 or newer; set PYTHON=/path/to/python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY)  ## the main job end to end on the embedded simulator; needs no key
	$(BIN)/dragoman demo

serve: $(READY)  ## the gateway on 127.0.0.1:3724; needs a vendor key in the environment
	$(BIN)/dragoman serve

test: $(READY)  ## every test but those that run real client programs
	$(BIN)/python -m pytest -n auto -m "not clients"

clients: $(READY)  ## Codex CLI and Claude Code on every simulated vendor; DRAGOMAN_CLIENTS=all runs the long sessions, too
	$(BIN)/python -m pytest -m clients

check: $(READY)  ## format, lint, types, import graph, budgets
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --config pyproject.toml
	$(BIN)/python -m pytest -q tests/arch

bench: $(READY)  ## CPU ratios against nginx pass-through (and LiteLLM where installed), in one run
	$(BIN)/python benchmarks/run.py

docs: $(READY)  ## writes the generated pages again
	$(BIN)/python -m tests.pages
	$(BIN)/dragoman models docs > docs/models.md

clean:
	rm -rf $(VENV) build dist src/*.egg-info
