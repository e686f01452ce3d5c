# Everything a developer runs. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-test demo serve test test-cloud lint lock soak bench-assembly bench-idle bench-broker bench-latency bench-tick sim sim-mutants clean

# Scripts in .venv/bin are run by its python, because a script's first line cannot hold every path:
# a quote in the name of a folder above is enough to break it.

# Other people's Python settings have no say in .venv.
unexport PYTHONPATH PYTHONHOME

# A lesson's path may hold spaces, quotes and dollars. It travels in the environment, as it was
# written: $(value) keeps make from expanding it, and no shell ever reads it.
FROM ?= en
TO ?= es
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

SEEDS ?= 200

sim: setup ## live through simulated histories of the fleet: SEEDS=10000
	.venv/bin/python -m orchestrator.simulator run --seeds $(SEEDS) $(ARGS)

sim-mutants: setup ## plant bugs in the fleet's code, and have the simulator find each of them
	.venv/bin/python -m orchestrator.simulator mutants $(ARGS)

lint: setup ## check style, format, types and who may import whom
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/python -m mypy
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
	mkdir -p var/lock; \
	for lock in node server dev testcloud; do \
	    if [[ -e requirements/$$lock.txt ]]; then cp requirements/$$lock.txt var/lock/; fi; \
	done; \
	compile() { \
	    UV_PYTHON_DOWNLOADS=never $$uv pip compile pyproject.toml "$${@:2}" --quiet --universal \
	        --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	        --no-emit-build-options --no-annotate --custom-compile-command "make lock" \
	        -o "var/lock/$$1.txt" $(ARGS); \
	}; \
	compile node --extra embedded --extra demo --extra worker; \
	compile server --extra server; \
	compile dev --extra embedded --extra demo --extra worker --extra server --group dev; \
	UV_PYTHON_DOWNLOADS=never $$uv pip compile requirements/testcloud.in --quiet --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-build-options \
	    --no-annotate --custom-compile-command "make lock" -o var/lock/testcloud.txt $(ARGS); \
	if grep -nE '://|^ *-(i|f|-index-url|-extra-index-url|-find-links|-trusted-host)\b| @ ' var/lock/*.txt; then \
	    echo "lock: the lines above name an address; the locks are left as they were" >&2; \
	    exit 1; \
	fi; \
	mv var/lock/{node,server,dev,testcloud}.txt requirements/; \
	echo "lock: requirements/node.txt, server.txt, dev.txt and testcloud.txt are up to date"

clean: ## remove .venv, var/ and every cache
	rm -rf .venv var dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
