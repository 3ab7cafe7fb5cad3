# Everything works in a clean clone: Python 3.11 or newer, pip and make. PYTHON=python3.12 chooses another.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test long lint types bench gpu clean

.venv/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fsbench needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: .venv/.installed
	$(BIN)/fsbench demo

test: .venv/.installed-dev
	$(BIN)/pytest -n 2 --dist loadfile

long: .venv/.installed-dev
	$(BIN)/pytest -m long -n 2

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed-dev
	$(BIN)/mypy

bench: .venv/.installed-dev
	$(BIN)/python -m benchmarks

gpu: .venv/.installed-dev
	$(BIN)/python -m benchmarks.gpu

clean:
	rm -rf .venv fsbench-demo results
