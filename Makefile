# All commands: `make help`.
# Needs only Python 3.11+, make and git; everything else comes from pip, npm and Maven.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
PY := .venv/bin/python
NPM := ../.venv/bin/python -m tools.stack.node npm
EXTRAS := ingest detector tracker persister notifier analytics tools stack run flash
LOCK = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml
SCRIPTS := .ci/run $(addprefix deploy/aws/instance/,as-role detectors install page-settings ready release rollout update) \
	$(addprefix deploy/box/,lib install upgrade rollback backup restore parking) \
	$(addprefix deploy/compose/,secrets start-kafka start-mosquitto start-postgres) tests/support/start_box tests/support/start_image
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
DASHBOARD := $(shell find dashboard -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null | sed 's/ /\\ /g')
GO_TOOLS := $(CURDIR)/.state/cache/go
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: .venv/.run dashboard/dist/index.html ## Run everything: servers, services, demo site (SERVICES=... FOOTAGE=DIR DEMO=off DEVICES=unix:4 LAN=1 HOST=ADDRESS PORT_KAFKA=...)
	@LAN_HOST=$(if $(filter command,$(firstword $(origin HOST))),$(HOST)) exec $(PY) -m tools.stack run

.PHONY: status
status: .venv/.run ## Show what is running, its ports and its memory
	@$(PY) -m tools.stack status

.PHONY: stop
stop: .venv/.run ## Stop a stack that `make run` started in another terminal
	@$(PY) -m tools.stack stop

.PHONY: clean
clean: .venv/.run ## Delete the data, logs, keys and passwords of `make run` (ALL=1: the downloads too)
	@$(PY) -m tools.stack clean $(if $(ALL),--all)

.PHONY: install
install: .venv/.dev dashboard/node_modules/.installed ## Install everything for development into .venv and dashboard/node_modules

.PHONY: format
format: install ## Format all code
	.venv/bin/ruff check --fix --quiet . || true
	.venv/bin/ruff format .
	cd dashboard && $(NPM) run --silent format

.PHONY: check
check: install ## Check style, types, spelling, links, schemas and architecture; change nothing
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target check-types check-texts check-page

.PHONY: check-types check-texts check-page
check-types:
	.venv/bin/mypy parking services tools tests examples

check-texts:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/codespell .
	$(PY) -m tools.docs --check
	.venv/bin/zizmor --quiet --offline --no-progress .github
	.venv/bin/shellcheck -x $(SCRIPTS)
	$(PY) -m parking.wire.schemas --check
	$(PY) -m services.notifier.api.openapi --check
	for name in topics users acls; do $(PY) -m tools.stack.strimzi $$name | diff -q - deploy/kafka/$$name.yaml || { echo "deploy/kafka/$$name.yaml differs from parking/core; run make schemas"; exit 1; }; done
	.venv/bin/cfn-lint deploy/aws/parking.yaml
	.venv/bin/hadolint deploy/compose/Dockerfile
	.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose/compose.yaml
	$(PY) -m tools.boards.check
	.venv/bin/pytest -q tests/test_architecture.py
	$(PY) -m tools.supply check

check-page:
	cd dashboard && $(NPM) run --silent check

.PHONY: digests
digests: install ## Pin every image by its registry's digest (ARGS=--check only lists what would change)
	@$(PY) -m tools.supply digests $(ARGS)

.PHONY: sbom
sbom: install ## Print the software bill of materials (CycloneDX JSON)
	@$(PY) -m tools.supply sbom

.PHONY: test
test: fetch ## Run all tests except the nightly ones: unit, components, contracts, stack, chaos, browser
	cd dashboard && $(NPM) run --silent test
	$(PY) -m tools.suite -q $(ARGS)

.PHONY: test-page
test-page: install ## Run the page's tests: rules and components
	cd dashboard && $(NPM) run --silent test

.PHONY: coverage
coverage: install ## Measure how much of parking/core the unit and property tests cover; fail below the floor in pyproject.toml
	.venv/bin/coverage run -m pytest -q tests/unit tests/properties
	.venv/bin/coverage report

.PHONY: test-unit
test-unit: install ## Run the tests without files and servers, in seconds
	$(PY) -m tools.suite --unit -q $(ARGS)

.PHONY: test-stack
test-stack: fetch ## Run the tests with real Kafka, Postgres, S3 and MQTT
	.venv/bin/pytest -m 'stack and not nightly' $(ARGS)

.PHONY: test-nightly
test-nightly: fetch ## Run the slow tests: 20 kills of the broker, ten minutes without Kafka
	.venv/bin/pytest -m nightly $(ARGS)

.PHONY: check-deploy
check-deploy: fetch ## Run all tests of deploy/, slow ones included: AWS in both sizes, Kafka with TLS and rights, three brokers, images
	@if command -v go >/dev/null; then GOBIN=$(GO_TOOLS) go install helm.sh/helm/v3/cmd/helm@v3.22.0 && \
		GOBIN=$(GO_TOOLS) go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12; else echo "no Go: Helm and actionlint are left out"; fi
	PATH=$(GO_TOOLS):$$PATH .venv/bin/pytest -m '' tests/deploy tests/components/test_chart.py $(ARGS)

.PHONY: cases
cases: fetch ## Run difficult inputs from the field against a separate stack (ARGS="api --quick")
	$(PY) -m tools.cases $(ARGS)

.PHONY: fetch
fetch: install dashboard/dist/index.html
	@$(PY) -m tools.stack fetch

.PHONY: bench-latency
bench-latency: .venv/.dev ## Measure the latency from published frame to SSE event, p50 and p99
	@$(PY) -m tools.stack fetch
	$(PY) -m tools.bench $(ARGS)

.PHONY: bench-capacity
bench-capacity: .venv/.dev ## Measure how many cameras this computer serves, compared with older code and a plain YOLO loop
	@$(PY) -m tools.stack fetch
	$(PY) -m tools.bench.capacity $(ARGS)

.PHONY: record
record: .venv/.dev ## Record a window of the topics in one file (ARGS="FILE --site S --from 2h"; docs/replay.md)
	$(PY) -m tools.record $(ARGS)

.PHONY: replay
replay: .venv/.dev ## Replay a recording with other settings, isolated from live (ARGS="FILE --out DIR")
	$(PY) -m tools.replay $(ARGS)

.PHONY: compare
compare: .venv/.dev ## Compare two replays or recordings, slot by slot (ARGS="A B --html FILE")
	$(PY) -m tools.compare $(ARGS)

.PHONY: bench-detector
bench-detector: .venv/.dev ## Measure the detector's speed, memory and runtimes (FOOTAGE=DIR ARGS="--int8 FILE")
	$(PY) -m tools.cli bench-detector
	$(PY) -m tools.bench.detector $(if $(FOOTAGE),$(FOOTAGE),demo) $(ARGS)

DATA ?= ../shared/data
BASE ?= ../shared/models/yolo11n_rebuilt.pt

.PHONY: train
train: .venv/.dev .venv/.train ## Train both models again into runs/, in half an hour (DATA=DIR BASE=FILE.pt RENDERED=DIR)
	for lot in $$($(PY) -m tools.evaluate.leave_out $(DATA)) ""; do \
		$(PY) -m tools.train --data $(DATA) --base $(BASE) --out runs $${lot:+--leave-out $${lot//,/ }}; done
	$(PY) -m tools.train.slots --data $(DATA) --base $(BASE) --boxes runs/parking-yolo11n.onnx --out runs $(if $(RENDERED),--rendered $(RENDERED))

.PHONY: accuracy
accuracy: .venv/.dev ## Measure accuracy on lots that a model never saw, with the leave-one-out models of `make train`
	$(PY) -m tools.evaluate.accuracy --data $(DATA) --folds runs --out runs/accuracy

BOARD ?= ai_thinker
.PHONY: flash
flash: .venv/.run .venv/.flash ## Flash the firmware onto a board (PORT=/dev/ttyUSB0 IMAGE=FILE BOARD=ai_thinker CONFIG=FILE DRY=new; docs/firmware.md)
	$(PY) -m tools.boards.flash --port $(PORT) --board $(BOARD) $(if $(IMAGE),--image $(IMAGE)) $(if $(CONFIG),--config $(CONFIG)) $(if $(DRY),--dry-run $(DRY))

.PHONY: schemas
schemas: install ## Generate the schemas and other files from the code
	$(PY) -m parking.wire.schemas
	$(PY) -m services.notifier.api.openapi
	$(PY) -m tools.docs --settings
	for name in topics users acls; do $(PY) -m tools.stack.strimzi $$name > deploy/kafka/$$name.yaml; done
	cd dashboard && $(NPM) run --silent types

.PHONY: docs
docs: .venv/.dev ## Build the documentation site in site/ and check every link
	NO_MKDOCS_2_WARNING=1 $(PY) -m tools.docs

.PHONY: release
release: dashboard ## Pack the committed tree and the built dashboard as dist/smart-parking-VERSION.tar.gz
	mkdir -p dist
	git archive --prefix=smart-parking-$(VERSION)/ HEAD > dist/release.tar
	tar --append --file=dist/release.tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --transform='s,^,smart-parking-$(VERSION)/,' dashboard/dist
	gzip --no-name --best < dist/release.tar > dist/smart-parking-$(VERSION).tar.gz && rm dist/release.tar
	cd dist && sha256sum smart-parking-$(VERSION).tar.gz > SHA256SUMS

.PHONY: screenshots
screenshots: .venv/.dev ## Take the README's screenshots from the demo that `make run` plays in another terminal
	$(PY) -m tools.screenshots $(ARGS)

.PHONY: dashboard
dashboard: dashboard/dist/index.html ## Build the dashboard

.PHONY: lock
lock: .venv/.dev ## Pin and hash every requirement again (LOCK_ARGS=--upgrade for newer versions)
	$(LOCK) $(LOCK_ARGS) --extra run --extra dev -o requirements/dev.txt
	for extra in $(EXTRAS); do $(LOCK) --extra build --extra $$extra -c requirements/dev.txt -o requirements/$$extra.txt; done
	for extra in train render; do $(LOCK) $(LOCK_ARGS) --extra $$extra -c requirements/dev.txt --override requirements/overrides.txt -o requirements/$$extra.txt; done
	$(PY) -m tools.stack.jars .state/cache/maven

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
