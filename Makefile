# Everything a developer runs. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-test demo serve test test-cloud lint lock lock-check soak bench-assembly bench-idle bench-broker bench-latency bench-tick sim sim-mutants clean

# Scripts in .venv/bin are run by its python, because a script's first line cannot hold every path:
# a quote in the name of a folder above is enough to break it.

# Other people's Python settings have no say in .venv.
unexport PYTHONPATH PYTHONHOME

# A lesson's path may hold spaces, quotes and dollars. It travels in the environment, as it was
# written: $(value) keeps make from expanding it, and no shell ever reads it.
FROM ?= en
TO ?= es
# The speech service knows nobody and has an environment of its own, its tests and types included.
SPEECH := chatterbox_service
SPEECH_TESTS = $(SPEECH)/.venv/bin/python -m pytest -c $(SPEECH)/pyproject.toml --rootdir . \
    --confcutdir tests/$(SPEECH) tests/$(SPEECH)
# What is run a second time, on a private PostgreSQL.
ON_POSTGRES = $(wildcard tests/orchestrator/test_*.py) tests/orchestrator/simulation/test_scenarios.py
override LESSON := $(value LESSON)
override FROM := $(value FROM)
override TO := $(value TO)
export LESSON FROM TO

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

setup: ## install what is missing: system packages, then .venv
	@bash requirements/setup.sh

setup-test:
	@bash requirements/setup.sh test

demo: setup ## take a lesson from upload to sale: LESSON=video.mp4 (else the sample), FROM=en TO=es
	@.venv/bin/python -m gpu_node.demo

serve: setup ## run the whole site until Ctrl-C: ARGS='--port 8080' for another port
	@.venv/bin/python platform/manage.py serve $(ARGS)

# Twice as many at once as the two cores that are counted on: a good part of them waits for programs.
test: setup-test ## run the tests: ARGS='-k name' for some of them
	.venv/bin/python -m pytest -n 4 --dist loadfile -m "not soak and not cloud" $(ARGS)
	$(SPEECH_TESTS) -n 4 --dist loadfile -m "not soak" $(ARGS)
ifeq ($(strip $(ARGS)),)
	.venv/bin/python -m tests.support.postgres -- .venv/bin/python -m pytest -q -n 3 \
	    --dist loadfile -m "not soak and not cloud" $(ON_POSTGRES)
endif

# Two clouds beside each other, for a good part of the time is spent waiting for Nova.
test-cloud: setup-test ## run the tests against a real OpenStack on this machine: ARGS='-k name'
	@bash requirements/testcloud.sh
	.venv/bin/python -m pytest -n 2 --dist load -m cloud tests/cloud $(ARGS)

soak: setup-test ## run the long tests
	.venv/bin/python -m pytest -m soak $(ARGS)
	$(SPEECH_TESTS) -m soak -s $(ARGS)

SEEDS ?= 200

sim: setup ## live through simulated histories of the fleet: SEEDS=10000
	.venv/bin/python -m orchestrator.simulator run --seeds $(SEEDS) $(ARGS)

sim-mutants: setup ## plant bugs in the fleet's code, and have the simulator find each of them
	.venv/bin/python -m orchestrator.simulator mutants $(ARGS)

lint: setup ## check style, format, types and who may import whom
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/python -m mypy
	$(SPEECH)/.venv/bin/python -m mypy --config-file $(SPEECH)/pyproject.toml $(SPEECH) tests/$(SPEECH)
	.venv/bin/python .venv/bin/lint-imports

bench-broker: setup-test ## measure what is left after Redis is killed, flushed, or cut off
	.venv/bin/python -m benchmarks.broker $(ARGS)

bench-tick: setup-test ## measure a tick with 1,000 nodes and 100,000 jobs on PostgreSQL
	.venv/bin/python -m tests.support.postgres -- .venv/bin/python -m benchmarks.tick $(ARGS)

bench-idle: setup ## measure what the idle policy costs, beside fixed limits
	.venv/bin/python -m benchmarks.idle $(ARGS)

bench-latency: setup-test ## measure how soon a node is woken, or a warm one claims, after the button
	.venv/bin/python -m benchmarks.latency $(ARGS)

bench-assembly: setup ## measure how the dubbed track is put together
	.venv/bin/python -m benchmarks.assembly $(ARGS)

# uv keeps the pins that stand in a lock unless told otherwise: make lock ARGS=--upgrade. The new
# locks are looked through before they take the old ones' place, because uv could be told by its
# environment to write down where packages came from.
lock: ## resolve pyproject.toml anew into requirements/*.txt
	@uv=uv; \
	if ! uv --version >/dev/null 2>&1; then \
	    uv=var/uv/bin/uv; \
	    [[ -x $$uv ]] || { python3 -m venv --clear var/uv; var/uv/bin/python -m pip install -q uv; }; \
	fi; \
	mkdir -p var/lock/speech; \
	for lock in node server dev testcloud; do \
	    if [[ -e requirements/$$lock.txt ]]; then cp requirements/$$lock.txt var/lock/; fi; \
	done; \
	for lock in service chatterbox dev; do \
	    if [[ -e $(SPEECH)/requirements/$$lock.txt ]]; then cp $(SPEECH)/requirements/$$lock.txt var/lock/speech/; fi; \
	done; \
	compile() { \
	    UV_PYTHON_DOWNLOADS=never $$uv pip compile "$$1" "$${@:3}" --quiet \
	        --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	        --no-emit-build-options --no-annotate --custom-compile-command "make lock" \
	        -o "var/lock/$$2.txt" $(ARGS); \
	}; \
	compile pyproject.toml node --universal --extra embedded --extra demo --extra worker; \
	compile pyproject.toml server --universal --extra server; \
	compile pyproject.toml dev --universal --extra embedded --extra demo --extra worker --extra server --group dev; \
	compile requirements/testcloud.in testcloud; \
	compile $(SPEECH)/pyproject.toml speech/service --universal; \
	compile $(SPEECH)/pyproject.toml speech/chatterbox --universal --extra chatterbox; \
	compile $(SPEECH)/pyproject.toml speech/dev --universal --group $(SPEECH)/pyproject.toml:dev; \
	if grep -nE '://|^ *-(i|f|-index-url|-extra-index-url|-find-links|-trusted-host)\b| @ ' var/lock/*.txt var/lock/speech/*.txt; then \
	    echo "lock: the lines above name an address; the locks are left as they were" >&2; \
	    exit 1; \
	fi; \
	if [[ -n "$(CHECK)" ]]; then \
	    for lock in node server dev testcloud; do cmp var/lock/$$lock.txt requirements/$$lock.txt; done; \
	    for lock in service chatterbox dev; do cmp var/lock/speech/$$lock.txt $(SPEECH)/requirements/$$lock.txt; done; \
	    echo "lock-check: every lock is what its project resolves to"; \
	    exit 0; \
	fi; \
	mv var/lock/{node,server,dev,testcloud}.txt requirements/; \
	mv var/lock/speech/{service,chatterbox,dev}.txt $(SPEECH)/requirements/; \
	echo "lock: the files of requirements/ and $(SPEECH)/requirements/ are up to date"

# Nothing is installed, not even downloaded: uv reads what the packages say of themselves.
lock-check: ## resolve every lock anew, those that are never installed here included, and compare
	@$(MAKE) --no-print-directory lock CHECK=1

clean: ## remove .venv, var/ and every cache
	rm -rf .venv $(SPEECH)/.venv var dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
