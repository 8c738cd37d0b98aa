# Every target sets up what it needs first. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help install dev demo test test-all check lint fmt bench lab docs site dist clean
# Tests run in as many processes as there are cores, by file (tests/conftest.py), in their order: long ones are not last.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --no-loadscope-reorder
# What `make test` takes in: it needs neither root nor anything from outside, and does not take long.
NEWCOMER := not real and not netns and not root and not tools and not slow

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

test: dev ## the tests that need neither root nor servers, in at most five minutes
	@# Most of these tests wait for programs that they have started, so there are two processes for each core.
	@$(PYTEST) --numprocesses $$((2 * $$(nproc))) -q -m '$(NEWCOMER)' $(ARGS)
	@echo "Left out: what needs root, real servers, other programs or much time. \`make test-all\` runs that, too."

test-all: dev ## every test, with coverage (what cannot run here says why it is skipped)
	@$(PYTEST) --cov $(ARGS)

check: lint ## everything that must be green before a commit: lint, tests, coverage
	@$(PYTEST) -q -m 'not real and not slow' --cov $(ARGS)

lint: dev ## format, lint, types, layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

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

site: .venv/docs ## the documentation and the API reference as a site in site/, links checked
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.venv/docs: .venv/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

dist: dev ## sdist and wheel in dist/, checked, and the demo of the wheel in an empty environment
	@.ci/dist

clean: ## remove the virtual environment, caches and what was built
	@rm -rf .venv dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov
