# Fabula's doors. `make` lists them.
#
# Needs Python 3.11 or newer with venv, make and a C toolchain; everything else goes into .venv.
# Variables:
#   PYTHON       interpreter that .venv is made with (default: the first of python3, python3.13, … that is new enough)
#   ARGS, TESTS  for `make test`: options for pytest, and what to run (default: all)
#   TORCH_INDEX  address of a package index to take torch from, e.g. that of the CPU wheels on PyTorch's install page
#   PICTURES     `make run PICTURES=no` does without pictures: stories and characters, no torch, a small download
#   CHROMIUM     a Chromium or Chrome that is not found on PATH; for the browser tests

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
PICTURES ?= yes
TESTS ?= tests/unit tests/contract tests/integration tests/e2e
ARGS ?=
PROOF_RECORDS := $(CURDIR)/$(VENV)/proof.jsonl

# Stamps: what stands in .venv, newer than the files it was made from.
INSTALLED_SMALL := $(VENV)/.installed-small
INSTALLED_RUN := $(VENV)/.installed-run
INSTALLED_TORCH := $(VENV)/.installed-torch
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_BENCH := $(VENV)/.installed-bench
GENERATED := $(VENV)/.generated
PROTOS := $(shell find protos -name '*.proto')

comma := ,
say = @printf '\033[1m==> %s\033[0m\n' "$(1)"

.PHONY: help
help: ## Show this list
	@echo "Fabula. Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- everyday doors ---------------------------------------------------------------------------------------------

.PHONY: run
run: $(GENERATED) ## Start everything on http://127.0.0.1:8080 (sets up what is missing; PICTURES=no: without pictures and torch)
	$(call say,Starting Fabula$(if $(filter no,$(PICTURES)), without pictures$(comma) and so without avatars of characters); Ctrl-C stops it)
	@exec $(BIN)/fabula up $(if $(filter no,$(PICTURES)),--generators story$(comma)character)

.PHONY: setup
setup: $(INSTALLED_DEV) $(GENERATED) ## Put everything for development into .venv (torch included)
	@echo ".venv is ready."

.PHONY: test
test: setup browser tracer clients ## Run all tests (ARGS="-k resume -x", TESTS=tests/unit)
	$(call say,Tests: $(TESTS))
	@scripts/run-tests $(BIN)/python $(TESTS) -- $(ARGS)

.PHONY: check
check: setup check-format check-lint check-types check-imports check-contract check-sizes check-docs ## Check form, types, imports, contract and docs
	$(call say,All checks passed)

.PHONY: bench
bench: setup $(INSTALLED_BENCH) ## Measure, show the table and write docs/benchmarks.md
	$(call say,Benchmarks: some minutes; leave the machine alone)
	@$(BIN)/python -m bench

.PHONY: proof
proof: setup tracer ## Do every counted test to its full count (an hour and a half) and write docs/proof.md
	$(call say,Proof: an hour and a half on two cores; leave the machine alone)
	@rm -f $(PROOF_RECORDS)
	@FABULA_PROOF=10 FABULA_PROOF_RECORDS=$(PROOF_RECORDS) $(BIN)/python -m pytest -s -m proof tests $(ARGS)
	$(if $(ARGS),@echo "A part only: docs/proof.md stays as it is.",@$(BIN)/python scripts/proof_page.py $(PROOF_RECORDS))

# --- parts of `make check` --------------------------------------------------------------------------------------

.PHONY: check-format check-lint check-types check-imports check-contract check-sizes check-docs
check-format check-lint check-types check-imports check-contract check-sizes check-docs: $(INSTALLED_DEV) $(GENERATED)
check-format:
	$(call say,Format: ruff format)
	@$(BIN)/ruff format --check
check-lint:
	$(call say,Lint: ruff)
	@$(BIN)/ruff check
check-types:
	$(call say,Types: mypy --strict (a minute when nothing is cached))
	@$(BIN)/mypy
check-imports:
	$(call say,Imports: who may know whom)
	@$(BIN)/lint-imports --no-logo
check-contract:
	$(call say,Contract: buf lint$(comma) format and breaking)
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code --exclude-path protos/buf
	@$(BIN)/buf breaking --against protos/baseline.binpb
check-sizes:
	$(call say,Sizes: no module over 400 lines)
	@$(BIN)/python scripts/check_sizes.py
check-docs:
	$(call say,Docs: links and the page of settings)
	@$(BIN)/python scripts/check_links.py
	@$(BIN)/python scripts/settings_page.py --check

# --- set-up -----------------------------------------------------------------------------------------------------

$(BIN)/python:
	$(call say,Making .venv)
	@scripts/make-venv $(VENV)

# The editable install generates the code of the contract, too (a build hook, see pyproject.toml).
$(INSTALLED_SMALL): pyproject.toml constraints.txt | $(BIN)/python
	$(call say,Installing what stories and characters need (a download of about 55 MB))
	@rm -f $(GENERATED)
	@$(PIP) install --constraint constraints.txt --editable '.[gateway,story,character,cli,embedded]'
	@touch $@

$(INSTALLED_RUN): pyproject.toml constraints.txt | $(INSTALLED_TORCH)
	$(call say,Installing what pictures need as well)
	@rm -f $(GENERATED)
	@$(PIP) install --constraint constraints.txt --editable '.[run]'
	@touch $(INSTALLED_SMALL) $@

# In a step of its own, so that its wheel can come from elsewhere.
$(INSTALLED_TORCH): | $(BIN)/python
	$(call say,Installing $(TORCH)$(comma) which paints)
	@scripts/say-about-torch '$(TORCH_INDEX)'
	@$(PIP) install '$(TORCH)' $(if $(TORCH_INDEX),--index-url '$(TORCH_INDEX)')
	@touch $@

$(INSTALLED_DEV): pyproject.toml constraints.txt | $(INSTALLED_TORCH)
	$(call say,Installing everything for development)
	@rm -f $(GENERATED)
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $(INSTALLED_SMALL) $(INSTALLED_RUN) $@

# The peers that the benchmarks compare with.
$(INSTALLED_BENCH): pyproject.toml constraints.txt | $(INSTALLED_DEV)
	$(call say,Installing what the benchmarks compare with)
	@$(PIP) install --constraint constraints.txt --editable '.[bench]'
	@touch $@

# No stamp: just installed, so just generated. Else a .proto is newer than what was made from it.
$(GENERATED): $(PROTOS) | $(if $(filter no,$(PICTURES)),$(INSTALLED_SMALL),$(INSTALLED_RUN))
	@if [ -e $@ ]; then scripts/generate $(VENV); fi
	@touch $@

.PHONY: browser
browser: ## Install Chromium for the browser tests, where that is possible
	@scripts/find-browser

.PHONY: clients
clients: ## Install the official clients that the tests use (needs Node.js)
	@scripts/find-clients

.PHONY: tracer
tracer: ## Install strace for the test of a slow disk, where that is possible
	@scripts/find-strace

# --- the contract -----------------------------------------------------------------------------------------------

.PHONY: protos
protos: $(INSTALLED_DEV) ## Generate the code of the contract anew (needed after deleting a .proto)
	$(call say,Generating code from protos/)
	@scripts/generate $(VENV)
	@touch $(GENERATED)

.PHONY: protos-baseline
protos-baseline: $(INSTALLED_DEV) ## At a release: what later changes of the contract must stay compatible with
	@$(BIN)/buf build --exclude-source-info --output protos/baseline.binpb
	@echo "protos/baseline.binpb written: commit it with the release."

# --- keeping house ----------------------------------------------------------------------------------------------

.PHONY: format
format: $(INSTALLED_DEV) ## Format Python and protos
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix-only
	@$(BIN)/buf format --write --exclude-path protos/buf

.PHONY: docs
docs: $(INSTALLED_DEV) ## Write the pages that are made from code
	@$(BIN)/python scripts/settings_page.py

.PHONY: constraints
constraints: ## Pin in constraints.txt what stands in .venv now
	@scripts/freeze $(VENV) > constraints.txt.new
	@mv constraints.txt.new constraints.txt
	@for stamp in $(INSTALLED_SMALL) $(INSTALLED_RUN) $(INSTALLED_DEV); do if [ -e $$stamp ]; then touch $$stamp; fi; done
	@echo "constraints.txt: $$(grep -c == constraints.txt) packages."

.PHONY: clean
clean: ## Remove .venv, generated code and caches (stories are kept: they lie elsewhere)
	@rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name '*_pb2*.py*' -delete
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
