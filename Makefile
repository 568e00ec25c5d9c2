# `make` alone lists the targets. Everything runs from a clean checkout: .venv is made, and kept up to date, on the way.

PYTHON ?= python3
ARGS ?=
WORKERS ?= auto
BIN := .venv/bin
# The wrapper from PyPI fetches exactly this release of the checker, and says nothing about newer ones.
PYRIGHT := PYRIGHT_PYTHON_FORCE_VERSION=1.1.414 PYRIGHT_PYTHON_IGNORE_WARNINGS=1 NODE_NO_WARNINGS=1 npm_config_loglevel=error $(BIN)/pyright

.DEFAULT_GOAL := help
.PHONY: help setup setup-demo demo test check format acceptance torture bench docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv with everything for development
	@$(PYTHON) scripts/bootstrap.py dev

setup-demo: ## make .venv with what the demo needs, and no more
	@$(PYTHON) scripts/bootstrap.py demo

demo: setup-demo ## run the flights demo
	@$(BIN)/eventfold demo flights $(ARGS)

test: setup ## run the whole test suite, a file at a time on each core: make test ARGS="-k overdraft" WORKERS=0
	@$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile $(ARGS)

check: setup ## everything short of the tests: format, lint, types, import rules, banned things
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python scripts/refuse.py
	$(BIN)/python scripts/sync_face.py --check
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(PYRIGHT)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PYRIGHT) --verifytypes eventfold --ignoreexternal --outputjson | $(BIN)/python scripts/type_completeness.py

format: setup ## format the code and repair what can be repaired
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

acceptance: setup ## which promises are proved by which tests: make acceptance ARGS=--json
	@$(BIN)/python scripts/acceptance.py $(ARGS)

torture: setup ## long torture runs and the mutant matrix; nothing here judges time
	@$(BIN)/python scripts/torture.py $(ARGS)

bench: setup ## measure against the raw driver and the best peer: make bench ARGS="--only append --quick"
	@$(BIN)/python benchmarks/run.py $(ARGS)

docs: setup ## build the documentation into site/, strict about links
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet && echo "site/index.html"

lock: ## compile the pinned, hashed requirements again (needs uv)
	@$(PYTHON) scripts/lock.py

clean: ## remove .venv, caches, the built site and demo databases
	rm -rf .venv site build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
	rm -f ./*.db ./*.db-wal ./*.db-shm ./*.db-lock ./*.db-streams ./*.db.lock
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
