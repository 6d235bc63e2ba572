# The commands of taxi_assets. On a fresh machine only Python 3.11 to 3.13 with venv, make and git are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EMULATOR := $(VENV)/bigquery-emulator
PYTEST := $(BIN)/pytest --numprocesses auto --dist worksteal
# More workers than cores: these wait for ticks, for servers that were killed, and for pages. Not many more, since each
# imports everything and has servers of its own. What shares a machine or a module's fixtures stays on one worker, and
# what takes longest begins first.
LONG := $(BIN)/pytest --dist loadgroup --no-loadscope-reorder --numprocesses
WITHOUT_SERVERS := catalog cleaning source sample report test_floors.py test_package.py test_settings.py \
    test_terminal.py
# What another Python may break: drivers, frames and types. Google's libraries are tried by `make test` alone.
ELSEWHERE := catalog cleaning test_settings.py $(addprefix io_managers/test_,frames.py types.py partitions.py windows.py) \
    $(addprefix stores/test_,duckdb.py lake.py rows.py postgres.py)
INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile
# Newer versions of pip repeat what the build of an editable package warns of.
PIP := PYTHONWARNINGS=ignore $(BIN)/python $(INSTALL) --constraint constraints.txt
# The pip that Python 3.11 brings takes 89 s and not 38 for what the tests need.
new_venv = { $(PYTHON) -m venv $(1) && $(1)/bin/python $(INSTALL) --constraint constraints.txt --upgrade pip; }

.DEFAULT_GOAL := help
# Where a shell has it, each of the hundreds of processes that the tests start would compile what it imports anew.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help demo run dev test test-quick test-python test-later test-slow test-daemon test-browser test-long test-kubernetes reliability test-gcp \
    lint lint-code lint-definitions bench

help:  ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 8

demo: $(VENV)/installed  ## one month of every dataset from the built-in sample, end to end, offline
	@$(BIN)/python -m taxi_assets.cli.demo

run: $(VENV)/installed  ## DATASET=green MONTH=2024-01 (or 2024-01..2024-06), from TLC or SOURCE=
	@$(BIN)/taxi run $(DATASET) $(MONTH) $(if $(SOURCE),--source "$(SOURCE)") $(if $(RULES),--rules "$(RULES)")

dev: $(VENV)/installed  ## the Dagster UI with its daemon on http://127.0.0.1:3000
	@$(BIN)/taxi dev

test: $(VENV)/developing $(EMULATOR)/installed  ## the tests, with real servers; the slow ones have targets of their own
	@$(PYTEST)

test-quick: $(VENV)/developing  ## the layers without servers, within a minute: for the loop while you edit
	@$(PYTEST) $(addprefix taxi_assets_tests/,$(WITHOUT_SERVERS))

test-python:  ## PYTHON=python3.13: cleaning, frames, types and stores on another Python
	@$(MAKE) --no-print-directory VENV=$(VENV)/$(notdir $(PYTHON)) PYTHON=$(PYTHON) test-elsewhere

test-elsewhere: $(VENV)/developing
	@$(PYTEST) $(addprefix taxi_assets_tests/,$(ELSEWHERE))

test-later: $(VENV)/developing $(EMULATOR)/installed  ## `make test` with the clock 140 days ahead: apt-get install faketime gcc
	@gcc -shared -fPIC -o $(VENV)/unfaked_sleep.so taxi_assets_tests/unfaked_sleep.c -ldl
	@FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f '+140d' sh -c 'LD_PRELOAD="$(CURDIR)/$(VENV)/unfaked_sleep.so:$$LD_PRELOAD" exec $(PYTEST)'

test-slow: $(VENV)/developing $(EMULATOR)/installed  ## kills of processes and servers, faults of the network, full disks, much data, several runs one after the other
	@$(LONG) 4 -m 'slow or faults'

test-daemon: $(VENV)/developing $(EMULATOR)/installed  ## backfills and sensors with the real daemon, which is killed on the way
	@$(LONG) 4 -m daemon

test-browser: $(VENV)/developing  ## the Dagster UI as a person uses it, in Chromium: apt-get install chromium
	@$(LONG) 2 -m browser

test-long: $(VENV)/developing $(EMULATOR)/installed  ## test-slow, test-daemon and test-browser side by side: a quarter of an hour
	@$(LONG) 4 -m 'slow or faults or daemon or browser'

test-kubernetes: $(VENV)/developing  ## CHART=folder: the values for Dagster's Helm chart against the chart itself, see docs/kubernetes.md
	@$(PIP) helm-python-sdk kubernetes-validate
	@TAXI_TESTS_DAGSTER_CHART=$(CHART) $(BIN)/pytest taxi_assets_tests/deploy

reliability: $(VENV)/developing $(EMULATOR)/installed  ## every fault in every store, and the table in docs/reliability.md
	@$(BIN)/python -m taxi_assets_tests.faults

test-gcp: $(VENV)/developing  ## PROJECT=my-project: the cloud stores on Google's own services, see docs/real-gcp.md
	@TAXI_TESTS_GCP_PROJECT=$(PROJECT) TAXI_TESTS_GCP_LOCATION=$(LOCATION) $(BIN)/pytest taxi_assets_tests/stores/test_real_gcp.py

lint: lint-code lint-definitions  ## ruff, the type checker, and whether Dagster can load the definitions

lint-code: $(VENV)/developing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

lint-definitions: $(VENV)/developing
	@# In a home of its own, where Dagster's telemetry is off; there are no components whose YAML could be checked.
	@home=$$(mktemp -d) && trap 'rm -rf "$$home"' EXIT && echo 'telemetry: {enabled: false}' >"$$home/dagster.yaml" && \
	    DAGSTER_HOME="$$home" TAXI_HOME="$$home" VIRTUAL_ENV="$(CURDIR)/$(VENV)" \
	    $(BIN)/dg check defs --use-active-venv --no-check-yaml

bench: $(VENV)/developing $(EMULATOR)/installed  ## speed and memory, side by side with what they are measured against
	@$(BIN)/python -m benchmarks --write docs/performance.md

$(VENV)/installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(call new_venv,$(VENV)); }
	@echo "installing taxi_assets and what it needs: once, about a minute"
	@$(PIP) --editable '.[taxi]'
	@touch $@

$(VENV)/developing: pyproject.toml constraints.txt
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(call new_venv,$(VENV)); }
	@echo "installing taxi_assets, what it needs and what the tests need: once, about a minute"
	@$(PIP) --editable '.[dev]'
	@touch $(VENV)/installed  # which is a part of it
	@# Compiles what they import once, instead of in every worker at a time; what is wrong with one, it says itself.
	@$(BIN)/pytest --collect-only >/dev/null 2>&1 || true
	@touch $@

$(EMULATOR)/installed: taxi_assets_tests/servers/bigquery_emulator/requirements.txt
	@test -x $(EMULATOR)/bin/python || $(call new_venv,$(EMULATOR))
	@echo "installing the BigQuery emulator of the tests: once, about a minute"
	@$(EMULATOR)/bin/python $(INSTALL) --requirement $<
	@touch $@
