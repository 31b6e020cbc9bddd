# Everything a developer does here. Needs Linux, make and Python 3.11 or newer; the rest comes
# into .venv, exactly as the lock files say. `make PYTHON=/path/to/python3` chooses the Python.

# The suite starts hundreds of servers: each would compile all modules again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test thorough lowest newest browser documents pgbouncer screenshots texts check lock bench bench-full bench-peers sdk smoke chaos build clean
SHELL := /bin/sh

VENV := .venv
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python3.14)
NEWEST := $(or $(PYTHON),python3.14 python3.13 python3.12 $(wildcard $(HOME)/.pyenv/versions/3.*/bin/python3))
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --quiet --disable-pip-version-check --no-input
# Install a lock file for a Python: uv takes seconds where pip takes a minute. Where uv cannot (it has
# no wheel for the machine, or only pip is told the way to the packages), pip does it.
install = $(VENV)/bin/uv pip install --quiet --no-python-downloads --python $(1) --require-hashes -r $(2) \
  2>/dev/null || $(PIP) --python $(1) install --require-hashes -r $(2)
ARGS ?=
PYTEST := -m pytest -n 4
# What depends on the versions of Python, and what also depends on those of libraries, and is quick: no
# tests of crashes, of the browser, of the benches or of the demo, and none that starts a PostgreSQL
# server of its own.
OF_PYTHON := $(addprefix tests/unit/,api egress \
  $(addprefix test_,config.py setting_parsers.py crypto.py log_setup.py metrics.py))
OF_LIBRARIES := $(OF_PYTHON) $(addprefix tests/unit/,pipeline settings_page storage/sqlite domain management) \
  $(addprefix tests/contract/test_,accept.py settle.py log.py deliveries.py read_turns.py) \
  tests/scenario/test_contract_webhooks.py

help: ## this list
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 13

demo: $(VENV)/.runtime ## a complete working example; Ctrl-C stops it (ARGS="--rate 10 --seconds 30")
	@PYTHONPATH=src $(RUN) -m winnerr_webhooks demo $(ARGS)

test: $(VENV)/.development browser documents pgbouncer ## the tests (ARGS="-k config")
	@$(RUN) $(PYTEST) $(ARGS)

thorough: $(VENV)/.development browser documents pgbouncer ## also the tests that take long: see CONTRIBUTING.md
	@$(RUN) $(PYTEST) -m "not chaos" --hypothesis-profile=thorough $(ARGS)

lowest: $(VENV)-lowest/.installed ## quick tests on the lowest versions of the dependencies; coverage
	@PYTHONPATH=$(CURDIR)/src $(VENV)-lowest/bin/python $(PYTEST) -p no:cacheprovider --cov --cov-report= \
	  $(OF_LIBRARIES) $(ARGS)
	@$(VENV)-lowest/bin/python -m coverage report --skip-covered --skip-empty

newest: $(VENV)/.development ## quick tests on the newest Python of this machine
	@version='import sys; print("%d%02d" % sys.version_info[:2])'; newest=; best=$$($(RUN) -c "$$version"); \
	for python in $(NEWEST); do \
	  found=$$("$$python" -c "import venv; $$version" 2>/dev/null) || continue; \
	  if [ "$$found" -gt "$$best" ]; then newest="$$python"; best="$$found"; fi; \
	done; \
	if [ -z "$$newest" ]; then \
	  echo "SKIPPED: there is no newer Python here than $$($(RUN) -V)," \
	    "so the tests on the newest one are not run."; \
	else \
	  $(MAKE) --no-print-directory newest-with PYTHON="$$newest"; \
	fi

newest-with: $(VENV)-newest/.installed
	@PYTHONPATH=$(CURDIR)/src $(VENV)-newest/bin/python $(PYTEST) -p no:cacheprovider $(OF_PYTHON) $(ARGS)

browser: $(VENV)/.development ## Chromium and axe-core for the browser tests, where they can be had
	@if [ ! $(VENV)/.browser -nt tests/browser/package-lock.json ]; then \
	  tests/install chromium axe-core && touch $(VENV)/.browser || true; \
	fi

documents: ## the tools that tests read exported documents with, where they can be had
	@tests/install document-tools || true

pgbouncer: ## the pooler that tests of PostgreSQL run behind, where it can be had
	@tests/install pgbouncer || true

screenshots: $(VENV)/.development browser ## the settings page's pictures anew, in docs/screenshots
	@$(RUN) docs/make_screenshots.py $(ARGS)

texts: $(VENV)/.development ## the catalogues of the settings page brought up to date with its texts
	@$(RUN) -m tests.catalogs

check: $(VENV)/.development ## format, lint, types, import direction
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy
	@$(VENV)/bin/lint-imports --no-cache

bench: $(VENV)/.bench ## how fast it is (one alone: make bench-latency; up to 10^7 rows: make bench-full)
	@$(RUN) -m bench.run $(ARGS)

bench-full: $(VENV)/.bench
	@$(RUN) -m bench.run --full $(ARGS)

bench-peers: $(VENV)/.bench ## beside Svix, Outpost and WebhookX that you have started (ARGS="--svix URL …")
	@$(RUN) -m bench.peers $(ARGS)

bench-%: $(VENV)/.bench
	@$(RUN) -m bench.run $* $(ARGS)

sdk: $(VENV)/.development ## tests of the SDKs, of each language that is installed (ARGS="go php")
	@tests/install mariadb js-runtimes || true
	@$(RUN) sdk/run_tests.py $(ARGS)

smoke: $(VENV)/.development ## the tutorials and commands of the docs, and every package, as a stranger uses them (ARGS="go nginx")
	@$(RUN) sdk/smoke.py $(ARGS)

chaos: $(VENV)/.development ## long failure runs
	@$(RUN) -m pytest tests/crash tests/unit/bench -m chaos $(ARGS)
	@tests/install mariadb || true
	@$(RUN) sdk/run_tests.py --chaos

build: $(VENV)/.development ## wheel and source archive, in dist/
	@$(RUN) -m hatchling build

COMPILE = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header
lock: $(VENV)/.uv ## write the lock files anew from pyproject.toml
	@test -x $(VENV)/bin/uv || { echo "This needs uv; what pip says above is why it is not here." >&2; exit 1; }
	@$(COMPILE) --group install --generate-hashes -o requirements-uv.lock
	@$(COMPILE) pyproject.toml --generate-hashes -o requirements.lock
	@$(COMPILE) pyproject.toml --group dev --generate-hashes -c requirements.lock \
	  -o requirements-dev.lock
	@$(COMPILE) --group bench --generate-hashes -c requirements.lock -c requirements-dev.lock \
	  -o requirements-bench.lock
	@$(COMPILE) pyproject.toml --resolution lowest-direct >$(VENV)/lowest.txt
	@$(COMPILE) pyproject.toml --group test --generate-hashes -c $(VENV)/lowest.txt \
	  -o requirements-lowest.lock

clean: ## remove what make made; data folders stay
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-newest tests/browser/node_modules tests/documents/node_modules dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests bench -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.uv: requirements-uv.lock | $(VENV)/.python
	@if $(PIP) install --only-binary :all: --require-hashes -r requirements-uv.lock; then touch $@; else \
	  echo "uv could not be installed, so pip installs the rest, which takes some minutes."; \
	fi

# The demo needs what runs, and no build: it starts from src/.
$(VENV)/.runtime: requirements.lock | $(VENV)/.uv
	@echo "Installing what it runs on into $(VENV) (once, and when the lock changes) …"
	@$(call install,$(RUN),requirements.lock)
	@touch $@

$(VENV)/.development: requirements-dev.lock pyproject.toml $(VENV)/.runtime
	@echo "Installing the development tools into $(VENV) (once, and when the lock changes) …"
	@$(call install,$(RUN),requirements-dev.lock)
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# The two environments of `make lowest` and `make newest`.
$(VENV)-lowest/.installed: requirements-lowest.lock | $(VENV)/.uv
	@echo "Installing the lowest versions into $(VENV)-lowest (once, and when the lock changes) …"
	@$(RUN) -m venv --clear --without-pip $(VENV)-lowest
	@$(call install,$(VENV)-lowest/bin/python,requirements-lowest.lock)
	@touch $@

$(VENV)-newest/.installed: requirements-dev.lock | $(VENV)/.uv
	@echo "Installing into $(VENV)-newest for $(PYTHON) (once, and when the lock changes) …"
	@$(PYTHON) -m venv --clear --without-pip $(VENV)-newest
	@$(call install,$(VENV)-newest/bin/python,requirements-dev.lock)
	@touch $@

# What the benches compare with: only they need it.
$(VENV)/.bench: requirements-bench.lock $(VENV)/.development
	@echo "Installing what the benches compare with into $(VENV) (once, and when the lock changes) …"
	@$(call install,$(RUN),requirements-bench.lock)
	@touch $@

# The first Python that is new enough and can make a virtual environment; version shims that
# exist without their version are why each is run, not only looked for.
$(VENV)/.python:
	@if $(RUN) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  touch $@; exit 0; \
	fi; \
	old=; for python in $(PYTHONS); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  if "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	    "$$python" -m venv --clear $(VENV) && touch $@ && exit 0; \
	  fi; \
	  old="$$python"; \
	done; \
	if [ -n "$$old" ]; then \
	  echo "$$old cannot make virtual environments: install its venv package" \
	    "(on Debian and Ubuntu: apt install $$("$$old" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'))"; \
	else \
	  echo "Python 3.11 or newer is needed, with its venv module" \
	    "(on Debian and Ubuntu: apt install python3 python3-venv; or: make PYTHON=/path/to/python3)"; \
	fi >&2; exit 1
