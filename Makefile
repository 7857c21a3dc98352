# Everything runs from .venv, which is built here and rebuilt when it is missing, half-built or older than pyproject.toml.
# It needs git, make and a Python >= 3.10: `make test PYTHON=python3.12` says which.

PYTHON ?= python3
JOBS ?= logical

READY := .venv/.ready
BENCH_READY := .venv-bench/.ready
BIN := .venv/bin

# The last thing that is written into an environment is what it was built for, so that one which an interrupted build, a
# copied checkout or another Python left behind is known and built anew.
BUILT_FOR := $(CURDIR) $(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
$(foreach stamp,$(READY) $(BENCH_READY),$(shell test "$$(cat $(stamp) 2>/dev/null)" = "$(BUILT_FOR)" || rm -f $(stamp)))

.PHONY: help test check demo bench docs lint types layers format clean

help:
	@echo 'make demo     run the example experiment twice and compare the two runs'
	@echo 'make test     all gates: ruff, mypy, import-linter, pytest with coverage; THOROUGH=1 tries ten times as many examples'
	@echo 'make check    the same without the slow tests and without coverage; under two minutes'
	@echo 'make format   let ruff mend and format what it can'
	@echo 'make docs     write docs/cli.md from the command line itself'
	@echo 'make bench    measure gtrack beside its peers, in an environment of its own (.venv-bench)'
	@echo 'make clean    remove the environments and all caches; never a run'

# A file is one process's work: what its tests share is made once, and a library is loaded by one process alone. Where bytecode
# is not kept, pytest rewrites, and each command that a test starts compiles, everything anew.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

test: lint types layers
	$(PYTEST) --cov --cov-report=term

check: lint types layers
	$(PYTEST) -m 'not slow' -q

lint: $(READY)
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check

types: $(READY)
	$(BIN)/python -m mypy

layers: $(READY)
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/python -m ruff check --fix
	$(BIN)/python -m ruff format

demo: $(READY)
	$(BIN)/gtrack run experiments/random_forest/train.py --param n_estimators=100
	$(BIN)/gtrack run experiments/random_forest/train.py --param n_estimators=10
	$(BIN)/gtrack ls
	$(BIN)/gtrack diff last~1 last

docs: $(READY)
	$(BIN)/typer docs/reference.py utils docs --name gtrack --output docs/cli.md

bench: $(BENCH_READY)
	.venv-bench/bin/python -m benchmarks

$(READY): EXTRA := dev
# The peers pin what they need, older pandas for one: they must not decide what gtrack is tested with.
$(BENCH_READY): EXTRA := bench

$(READY) $(BENCH_READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	    echo "gtrack needs Python 3.10 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1 || true)." \
	         "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@if test -e $@; then rm -f $@; else echo "Building $(@D) with $(PYTHON) …" && rm -rf $(@D) && $(PYTHON) -m venv $(@D); fi
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=22'
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRA)]'
	@echo "$(BUILT_FOR)" >$@

clean:
	rm -rf .venv .venv-bench build dist htmlcov .coverage .coverage.* .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find gtrack tests experiments benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
