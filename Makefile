# Every target sets up what it needs first. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help install dev demo test check fmt bench lab docs clean

help: ## show this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/installed ## .venv/bin/smtpsweep, ready to use

.venv/installed: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

dev: .venv/dev

.venv/dev: .venv/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	@touch $@

demo: install ## sweep a simulated network on loopback and show what was found
	@$(BIN)/smtpsweep demo

test: dev ## the whole test suite (parts that need root or Debian packages say why they are skipped)
	@$(BIN)/python -m pytest $(ARGS)

check: dev ## everything that must be green before a commit: format, lint, types, layers, tests, coverage
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m coverage run -m pytest -q -m 'not real and not slow' $(ARGS)
	@$(BIN)/python -m coverage report

fmt: dev ## format and sort imports
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

bench: dev ## measure against the C floor and other scanners; rewrites docs/performance.md
	@$(BIN)/python -m benchmarks $(ARGS)

lab: install ## the simulated network, until Ctrl-C
	@$(BIN)/smtpsweep lab --port 2525 $(ARGS)

docs: dev ## regenerate the parts of docs/ that come from the program (ARGS=--terminal: the picture, too)
	@$(BIN)/python docs/generate.py $(ARGS)
	@$(BIN)/python docs/formats_tables.py

clean: ## remove the virtual environment and caches
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov
