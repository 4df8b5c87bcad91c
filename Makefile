PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: install check format lint types layers test test-parts test-clusters demo bench clean

install: $(BIN)/minik

$(BIN)/minik: pyproject.toml
	@echo "Installing minik and what its tests need into $(VENV). This takes a minute or two."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory test

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

layers: install
	$(BIN)/lint-imports

# Side by side: one half of the tests computes, the other half mostly waits.
test: install
	$(MAKE) --no-print-directory --jobs=2 --output-sync=line test-parts test-clusters

test-parts: install
	$(BIN)/pytest tests/arch tests/unit tests/contract

test-clusters: install
	$(BIN)/pytest tests/integration tests/e2e

demo: install
	PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo.sh

bench: install
	$(BIN)/python -m benchmarks all

clean:
	rm -rf $(VENV) build dist *.egg-info
