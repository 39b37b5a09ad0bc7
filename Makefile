# `make run` serves the assistant with this repository's own documentation; `make test` runs the tests.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

CONFIG ?= lightspeed-stack.yaml
BIN := .venv/bin
LOCKED := pyproject.toml requirements/build.txt scripts/setup.sh scripts/uv.version
DOCS := $(shell find docs 2>/dev/null)
CODE := src tests bench scripts
# Releases of Llama Stack and OGX, each in .stacks/NAME, that the tests speak with; the newest in `test`, all in `test-all`.
STACKS := $(basename $(notdir $(wildcard requirements/stacks/*.in)))
NEWEST_STACK := ogx-1.5.0
export UV_SYSTEM_CERTS ?= 1
# A browser or a variable of the surroundings must not change what is tested or served.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

# A checkout that was moved: what .venv knows of its place is wrong.
ifneq ($(shell cat .venv/.checkout 2>/dev/null),$(shell pwd -P))
$(shell rm -f .venv/.ready-run .venv/.ready-dev)
endif

.PHONY: help setup run ingest test test-all bench verify schema releases lock format clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "  %-10s %s\n", $$1, $$2 }'

setup: .venv/.ready-run ## install everything that `run` needs into .venv

run: .venv/.ready-run ingest ## serve the assistant at http://localhost:8080 (CONFIG=FILE for another configuration)
	@mkdir -p .data
	@exec $(BIN)/lightspeed-stack -c $(CONFIG)

# The guide is put into the store of our own configuration only; another configuration brings its own documents.
ifeq ($(CONFIG),lightspeed-stack.yaml)
ingest: .data/.docs-ingested
else
ingest:
endif

test: .venv/.ready-dev ## the tests, without the long ones (ARGS="..." for pytest)
	@sh scripts/browser.sh
	@LIGHTSPEED_EMBEDDED_MODEL=small $(BIN)/lightspeed-stack model fetch
	@sh scripts/mcp_servers.sh
	@sh scripts/stacks.sh $(NEWEST_STACK)
	@LIGHTSPEED_TEST_STACKS="$(NEWEST_STACK)" $(BIN)/python -m pytest -m 'not slow' $(ARGS)

test-all: .venv/.ready-dev ## every test
	@sh scripts/browser.sh
	@LIGHTSPEED_EMBEDDED_MODEL=small $(BIN)/lightspeed-stack model fetch
	@sh scripts/mcp_servers.sh
	@sh scripts/stacks.sh $(STACKS)
	@LIGHTSPEED_TEST_STACKS="$(STACKS)" $(BIN)/python -m pytest $(ARGS)

bench: .venv/.ready-dev ## measure the service, lists among a million, ill servers of tools (ARGS="--quick": the former)
	@$(BIN)/python -m bench.run $(ARGS)
	@[ -n "$(ARGS)" ] || $(BIN)/python -m bench.lists
	@[ -n "$(ARGS)" ] || $(BIN)/python -m bench.tools

verify: .venv/.ready-dev ## lint, format and types
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	@if command -v shellcheck >/dev/null 2>&1; then shellcheck scripts/*.sh .ci/run; else echo "shellcheck: not installed, skipped"; fi

format: .venv/.ready-dev ## put the code into its form
	$(BIN)/ruff check --fix-only $(CODE)
	$(BIN)/ruff format $(CODE)

schema: .venv/.ready-run ## write docs/openapi.json anew (ARGS=FILE for another place)
	@$(BIN)/python scripts/generate_openapi_schema.py $(ARGS)

releases: .venv/.ready-dev ## ask all releases of Llama Stack, and write docs/reference/llama-stack-releases.md
	@sh scripts/stacks.sh $(STACKS)
	@LIGHTSPEED_TEST_STACKS="$(STACKS)" $(BIN)/python -m pytest tests/stacks --deselect tests/stacks/test_table.py $(ARGS)
	@$(BIN)/python -m scripts.generate_stack_table

# Locks hold versions and hashes, never a registry's address.
COMPILE = $$(sh scripts/uv.sh) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.12
# The extra `library` names the newest release, so it cannot be in the environments of the others.
STACK = $(COMPILE) $(ARGS) --override requirements/stacks/overrides.txt pyproject.toml
lock: ## compute requirements/*.txt anew from pyproject.toml (ARGS=--upgrade for newer versions)
	$(COMPILE) $(ARGS) pyproject.toml -o requirements/base.txt
	$(COMPILE) $(ARGS) --extra mcp --extra postgres pyproject.toml -o requirements/server.txt
	$(COMPILE) $(ARGS) --extra embedded --extra mcp --extra postgres pyproject.toml -o requirements/run.txt
	$(COMPILE) $(ARGS) --extra embedded --extra mcp --extra postgres --group dev pyproject.toml -o requirements/dev.txt
	echo 'hatchling>=1.27' | $(COMPILE) $(ARGS) - -o requirements/build.txt
	$(COMPILE) $(ARGS) requirements/mcp/python.in -o requirements/mcp/python.txt
	$(COMPILE) $(ARGS) requirements/mcp/node.in -o requirements/mcp/node.txt
	npm install --prefix requirements/mcp --package-lock-only --ignore-scripts --no-audit --no-fund --omit-lockfile-registry-resolved
	for name in $(filter-out $(NEWEST_STACK),$(STACKS)); do \
	  $(STACK) requirements/stacks/$$name.in -o requirements/stacks/$$name.txt || exit 1; done
	$(STACK) --extra library requirements/stacks/$(NEWEST_STACK).in -o requirements/stacks/$(NEWEST_STACK).txt

clean: ## remove what make created, .venv, .stacks, .mcp and caches too
	rm -rf .venv .stacks .mcp .uv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build bench/results
	find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +

# Whatever is installed for `dev` serves `run` as well, as long as it is up to date.
.venv/.ready-run: requirements/run.txt $(LOCKED)
	@if [ -f .venv/.ready-dev ]; then sh scripts/setup.sh dev; else sh scripts/setup.sh run; fi

.venv/.ready-dev: requirements/dev.txt $(LOCKED)
	@sh scripts/setup.sh dev

.data/.docs-ingested: lightspeed-stack.yaml $(DOCS) | .venv/.ready-run
	@$(BIN)/lightspeed-stack ingest docs --store product-docs --config lightspeed-stack.yaml \
	  --base-url http://localhost:8080/guide/ --strip-suffix
	@mkdir -p .data && touch $@
