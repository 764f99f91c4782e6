# hookd: make serve | test | lint | bench. Each builds .venv first, if it is not there or setup.cfg changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NEEDED_MB := 400

.PHONY: install serve test lint bench clean

serve: $(INSTALLED)
	$(BIN)/hookd serve

test: lint
	$(BIN)/pytest --numprocesses 3 --dist loadfile --durations 20

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.jail
	$(BIN)/python -m benchmarks.jobs
	$(BIN)/python -m benchmarks.events

install: $(INSTALLED)

$(INSTALLED): setup.cfg pyproject.toml
	@command -v $(PYTHON) >/dev/null || \
	  { echo "hookd needs Python 3.11 or newer: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "hookd needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import shutil, sys; sys.exit(shutil.disk_usage(".").free < $(NEEDED_MB) * 2**20)' || \
	  { echo "hookd's environment needs $(NEEDED_MB) MB here; df -h . tells what is free" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
# Where hookd runs later its files may well be read-only; without bytecode the sandbox takes half as long again to start.
	$(BIN)/python -m compileall -q hookd
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
