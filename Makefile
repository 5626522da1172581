# The only front door: `make help`.
# Works on a machine that has only Python 3.11+, make and git; everything else comes from pip, npm and Maven.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
STATE ?= .state
PY := .venv/bin/python
EXTRAS := ingest detector tracker persister notifier stack run dev
LOCK = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml
export SMART_PARKING_STATE := $(STATE)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

.venv/.base: 
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	@touch $@

# Each lock file is complete, so pip need not resolve anything: --no-deps, and every hash is checked.
.venv/.%: requirements/%.txt pyproject.toml | .venv/.base
	$(PY) -m pip install --no-deps --require-hashes -r requirements/$*.txt
	$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: install
install: .venv/.dev ## Make .venv with all services, the embedded stack and the development tools

.PHONY: lock
lock: .venv/.dev ## Pin and hash every requirement again (LOCK_ARGS=--upgrade for newer versions)
	$(LOCK) $(LOCK_ARGS) --extra run --extra dev -o requirements/dev.txt
	for extra in $(filter-out dev,$(EXTRAS)); do $(LOCK) --extra build --extra $$extra -c requirements/dev.txt -o requirements/$$extra.txt; done
	for extra in train render; do $(LOCK) $(LOCK_ARGS) --extra $$extra -c requirements/dev.txt --override requirements/overrides.txt -o requirements/$$extra.txt; done
