# Needs python3 >= 3.11, make and a package registry. A second call of any target installs nothing.
#
#   make run      the October 2025 case, start to report          make test     the quick suite
#   make lint     ruff, rules and layout      make types          mypy --strict
#   make tidy     the house rules as tests    make bench          the named workloads
#   make nightly  every test, more examples   make coverage       quick suite with line coverage
#   make bounds   kernels with index checks   make lock           resolve the locks again
#   make clean    remove what was built here
#
# ARGS is handed on: `make run ARGS="--seed 7"`, `make test ARGS="-k margin"`.

PYTHON ?= python3
UV ?= uv
CASE ?= oct-2025
WORKERS ?= 2
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run-installed
DEV_STAMP := $(VENV)/.dev-installed
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# Byte code of what every command loads, made here: where PYTHONDONTWRITEBYTECODE is set nothing else would,
# and each start would read it all from text again. The rest is made when it is first imported.
LOADED := numba llvmlite numpy pydantic duckdb rich cyclopts
BYTE_CODE := cd $(VENV)/lib/python3*/site-packages && ../../../bin/python -m compileall -q -j 2 $(LOADED)
EDITABLE := --no-deps --no-build-isolation --no-index --editable .

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint types tidy bench bounds nightly coverage format lock clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

run: $(RUN_STAMP)
	@$(BIN)/undertow run $(CASE) $(ARGS)

# Tests of one file stay on one worker: its kernels are compiled and its runs made once.
test: $(DEV_STAMP)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile $(ARGS)

lint: $(DEV_STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(DEV_STAMP)
	@$(BIN)/mypy

tidy: $(DEV_STAMP)
	@$(BIN)/python -m pytest -q tests/unit/test_tidy.py tests/unit/test_tidy_documents.py tests/unit/test_surface.py

bench: $(DEV_STAMP)
	@$(BIN)/python -m benchmarks $(ARGS)

# Every stage of the waterfall, the books, the ranking and the crowd's kernels, every index checked.
BOUNDS := tests/differential/test_tiny_arenas.py tests/rules/test_room.py tests/unit/test_arenas.py \
	$(wildcard tests/differential/*_equal*_reference.py) tests/differential/test_ranking_equals_everybody.py
bounds: $(DEV_STAMP)
	@NUMBA_BOUNDSCHECK=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile $(BOUNDS) $(ARGS)

nightly: $(DEV_STAMP)
	@UNDERTOW_PROFILE=nightly $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m "nightly or not nightly" $(ARGS)

coverage: $(DEV_STAMP)
	@$(BIN)/python -m coverage run -m pytest -q $(ARGS)
	@$(BIN)/python -m coverage report

format: $(DEV_STAMP)
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

# --fork-strategy fewest: one release per package on every Python, so results agree across them.
LOCK := $(UV) pip compile pyproject.toml --group build --universal --fork-strategy fewest --upgrade \
	--python-version 3.11 --generate-hashes --no-header --no-annotate --quiet
lock:
	@$(LOCK) --output-file requirements/run.lock
	@$(LOCK) --extra lab --extra dev --constraint requirements/run.lock --output-file requirements/dev.lock
	@! grep -n '://' requirements/*.lock

clean:
	rm -rf $(VENV) build dist runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else 1)' \
		|| { echo "Undertow needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(RUN_STAMP): requirements/run.lock pyproject.toml | $(BIN)/python
	@echo "Installing the locked packages into $(VENV) (once; a minute or so)"
	@$(PIP_INSTALL) --require-hashes --requirement requirements/run.lock
	@$(BYTE_CODE)
	@$(PIP_INSTALL) $(EDITABLE)
	@touch $@

# The development lock holds the same releases and more, so it serves `make run` as well.
$(DEV_STAMP): requirements/dev.lock requirements/run.lock pyproject.toml | $(BIN)/python
	@echo "Installing the locked packages and the development tools into $(VENV) (once; a minute or so)"
	@$(PIP_INSTALL) --require-hashes --requirement requirements/dev.lock
	@$(BYTE_CODE)
	@$(PIP_INSTALL) $(EDITABLE)
	@touch $(RUN_STAMP) $@
