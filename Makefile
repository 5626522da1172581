# The only front door: `make help`.
# Needs only Python 3.11+, make and git; everything else comes from pip, npm and Maven.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
PY := .venv/bin/python
NPM := ../.venv/bin/python -m parking.stack.node npm
EXTRAS := ingest detector tracker persister notifier analytics stack run flash
LOCK = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml
DASHBOARD := $(shell find dashboard -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null | sed 's/ /\\ /g')
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: .venv/.run dashboard/dist/index.html ## Run everything: servers, services, demo site (SERVICES=... FOOTAGE=DIR DEMO=off DEVICES=unix:4 PORT_KAFKA=...)
	@exec $(PY) -m parking.stack run

.PHONY: status
status: .venv/.run ## What runs, on which ports, with how much memory
	@$(PY) -m parking.stack status

.PHONY: stop
stop: .venv/.run ## End what `make run` started elsewhere
	@$(PY) -m parking.stack stop

.PHONY: clean
clean: .venv/.run ## Delete the data, logs, keys and passwords of `make run` (ALL=1: downloads too)
	@$(PY) -m parking.stack clean $(if $(ALL),--all)

.PHONY: install
install: .venv/.dev dashboard/node_modules/.installed ## Install everything development needs into .venv and dashboard/node_modules

.PHONY: format
format: install ## Format all code
	.venv/bin/ruff check --fix --quiet . || true
	.venv/bin/ruff format .
	cd dashboard && $(NPM) run --silent format

.PHONY: check
check: install ## Check style, types, schemas and architecture; changes nothing
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy parking services tools tests examples
	$(PY) -m parking.schemas --check
	$(PY) -m services.notifier.openapi --check
	$(PY) -m parking.stack.strimzi | diff -q - deploy/kafka/topics.yaml || { echo "deploy/kafka/topics.yaml differs from parking/topics.py; run make schemas"; exit 1; }
	$(PY) -m tools.boards.check
	.venv/bin/pytest -q tests/test_architecture.py
	cd dashboard && $(NPM) run --silent check

.PHONY: test
test: fetch ## All tests but the nightly ones: unit, components, contracts, stack, chaos, browser
	cd dashboard && $(NPM) run --silent test
	.venv/bin/pytest -m 'not nightly' $(ARGS)

.PHONY: test-unit
test-unit: install ## The tests of the pure parts, in seconds: no files, no servers
	.venv/bin/pytest tests/unit $(ARGS)

.PHONY: test-stack
test-stack: fetch ## The tests with real Kafka, Postgres, S3 and MQTT
	.venv/bin/pytest -m 'stack and not nightly' $(ARGS)

.PHONY: test-nightly
test-nightly: fetch ## The tests that take many minutes: 20 kills of the broker, ten minutes without Kafka
	.venv/bin/pytest -m nightly $(ARGS)

.PHONY: cases
cases: fetch ## Try the inputs from the field against a stack of its own: right or wrong (ARGS="api --quick")
	$(PY) -m tools.cases $(ARGS)

.PHONY: fetch
fetch: install dashboard/dist/index.html
	@$(PY) -m parking.stack fetch

.PHONY: bench-latency
bench-latency: .venv/.dev ## Measure frame published to SSE event received, p50 and p99
	@$(PY) -m parking.stack fetch
	$(PY) -m tools.bench $(ARGS)

.PHONY: bench-capacity
bench-capacity: .venv/.dev ## Measure how many cameras this computer serves, beside the code before and a plain YOLO loop
	@$(PY) -m parking.stack fetch
	$(PY) -m tools.bench.capacity $(ARGS)

.PHONY: record
record: .venv/.dev ## Keep a window of the topics as one file (ARGS="FILE --site S --from 2h"; docs/replay.md)
	$(PY) -m tools.record $(ARGS)

.PHONY: replay
replay: .venv/.dev ## Play a recording through settings of your choice, apart from live (ARGS="FILE --out DIR")
	$(PY) -m tools.replay $(ARGS)

.PHONY: compare
compare: .venv/.dev ## What would have been different, slot by slot (ARGS="A B --html FILE")
	$(PY) -m tools.compare $(ARGS)

.PHONY: bench-detector
bench-detector: .venv/.dev ## Measure the detector's stage, memory and runtimes (FOOTAGE=DIR ARGS="--int8 FILE")
	$(PY) -m parking bench-detector
	$(PY) -m tools.bench.detector $(if $(FOOTAGE),$(FOOTAGE),demo) $(ARGS)

DATA ?= ../shared/data
BASE ?= ../shared/models/yolo11n_rebuilt.pt

.PHONY: train
train: .venv/.dev .venv/.train ## Train both models again, below runs/ (DATA=DIR BASE=FILE.pt RENDERED=DIR; half an hour)
	for lot in $$($(PY) -m tools.evaluate.leave_out $(DATA)) ""; do \
		$(PY) -m tools.train --data $(DATA) --base $(BASE) --out runs $${lot:+--leave-out $${lot//,/ }}; done
	$(PY) -m tools.train.slots --data $(DATA) --base $(BASE) --boxes runs/parking-yolo11n.onnx --out runs $(if $(RENDERED),--rendered $(RENDERED))

.PHONY: accuracy
accuracy: .venv/.dev ## How right the detector is on lots it never saw, by the models that `make train` left out
	$(PY) -m tools.evaluate.accuracy --data $(DATA) --folds runs --out runs/accuracy

BOARD ?= ai_thinker
.PHONY: flash
flash: .venv/.run .venv/.flash ## Put the firmware on a board (PORT=/dev/ttyUSB0 IMAGE=FILE BOARD=ai_thinker CONFIG=FILE DRY=new; docs/firmware.md)
	$(PY) -m tools.boards.flash --port $(PORT) --board $(BOARD) $(if $(IMAGE),--image $(IMAGE)) $(if $(CONFIG),--config $(CONFIG)) $(if $(DRY),--dry-run $(DRY))

.PHONY: schemas
schemas: install ## Write the schemas and what is generated from code
	$(PY) -m parking.schemas
	$(PY) -m services.notifier.openapi
	$(PY) -m parking.stack.strimzi > deploy/kafka/topics.yaml
	cd dashboard && $(NPM) run --silent types

.PHONY: dashboard
dashboard: dashboard/dist/index.html ## Build the dashboard

.PHONY: lock
lock: .venv/.dev ## Pin and hash every requirement again (LOCK_ARGS=--upgrade for newer versions)
	$(LOCK) $(LOCK_ARGS) --extra run --extra dev -o requirements/dev.txt
	for extra in $(EXTRAS); do $(LOCK) --extra build --extra $$extra -c requirements/dev.txt -o requirements/$$extra.txt; done
	for extra in train render; do $(LOCK) $(LOCK_ARGS) --extra $$extra -c requirements/dev.txt --override requirements/overrides.txt -o requirements/$$extra.txt; done
	$(PY) -m parking.stack.jars .state/cache/maven

.venv/.base:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	@touch $@

# Each lock file is complete, so pip resolves nothing (--no-deps) and checks every hash.
.venv/.%: requirements/%.txt pyproject.toml | .venv/.base
	$(PY) -m pip install --no-deps --require-hashes -r requirements/$*.txt
	$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

dashboard/node_modules/.installed: dashboard/package-lock.json .venv/.run
	cd dashboard && $(NPM) ci --no-audit --no-fund
	@touch $@

dashboard/dist/index.html: $(DASHBOARD) dashboard/node_modules/.installed
	cd dashboard && $(NPM) run --silent build
	@touch $@
