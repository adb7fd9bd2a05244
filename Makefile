# make demo    see it work: set-up, then why the exchanges in sample_logs/ failed
# make test    the tests      make check   lint, types, direction of imports
# make setup   .venv with everything      make bench   speed and memory, against ripgrep and mitmproxy
# make tune    what each weight does      make docs gallery   write again what is generated

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: setup demo test check bench tune docs gallery clean

PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3; do "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$$p"; break; }; done)
BIN := .venv/bin
STAMP := .venv/.installed
REPORT := build/demo-report.html

setup: $(STAMP)

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "oauthtrace needs Python 3.11 or later: no such python3 was found" >&2; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@echo "installing into .venv (once)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@$(BIN)/python -m compileall -q oauthtrace  # as pip does with what it copies; saves every start 0.2 s where Python may not
	@touch $@

demo: setup
	@mkdir -p $(dir $(REPORT))
	@$(BIN)/oauthtrace analyze sample_logs/*.har sample_logs/*.mitm sample_logs/*.log --report $(REPORT)
	@echo $(REPORT)

test: setup
	@$(BIN)/pytest

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/lint-imports --no-cache | tail -n 3

bench: setup
	@$(BIN)/python benchmarks/bench.py
	@$(BIN)/python benchmarks/capture.py --quick
	@$(BIN)/python benchmarks/report.py

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis

docs: setup  ## write docs/formats.md again
	@$(BIN)/python docs/make.py

gallery: setup  ## render the reports in reports/ again
	@$(BIN)/python reports/make.py

tune: setup  ## what each weight does for and against, on examples and cases
	@$(BIN)/python benchmarks/tune.py $(TUNE)
