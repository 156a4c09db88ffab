# Everything runs in a virtual environment of its own, made by venv and pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= runs/reproduce
TORCH ?= torch==2.13.*

.PHONY: install reproduce test test-thorough test-slow test-torch test-gpu test-encoders stress check audit lint clean

# Trains the nine systems of Table 1 on drawings, on a CPU; writes the table and the report.
reproduce: install
	$(BIN)/auxseg reproduce --data shapes --out $(OUT)

# Two processes of one thread each are faster than one of two, and steadier. MKL would otherwise
# choose its kernels, and so how it rounds, by the processor: tests that compare bits or twenty steps
# to 1e-9 failed on one with AMX.
test: install-dev
	MKL_CBWR=COMPATIBLE OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# Further members of a kind that `make test` runs one of through the command line.
test-thorough: install-dev
	MKL_CBWR=COMPATIBLE OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m thorough

# Minutes, not seconds: two processes, training on real images.
test-slow: install-dev
	$(BIN)/python -m pytest -m slow

# Random kills and full disks, each resumed and compared bit by bit (docs/reliability.md).
KILLS ?= 50
PHOTOS ?= 20000
stress: install-dev
	KILLS=$(KILLS) PHOTOS=$(PHOTOS) MKL_CBWR=COMPATIBLE OMP_NUM_THREADS=1 \
		$(BIN)/python -m pytest -n 2 -m stress -rP --durations 0 tests/stress

# The suite with another release of torch, such as the oldest that is allowed, in an environment of
# its own: make test-torch RELEASE=2.11
RELEASE ?= 2.11
test-torch:
	$(MAKE) test VENV=.venv-torch-$(RELEASE) TORCH="torch==$(RELEASE).*"

# What only an NVIDIA GPU shows; skipped without one. In an environment with a CUDA build of torch:
# make test-gpu BIN=/path/to/its/bin
test-gpu:
	$(BIN)/python -m pytest tests/gpu

# The encoders of timm, which `make test` skips. timm lies in a folder of its own, without the
# torchvision that it asks for, whose wheel may not import beside a CPU-only torch (docs/encoders.md).
test-encoders: $(VENV)/installed-encoders
	PYTHONPATH=$(abspath $(VENV)/encoders) OMP_NUM_THREADS=1 \
		$(BIN)/python -m pytest -n 2 --dist worksteal tests/encoders

# What a change must pass besides the tests.
check: lint audit
	$(BIN)/mypy
	$(BIN)/lint-imports

# Known vulnerabilities of what is installed. Where the database cannot be reached, that is said,
# and nothing fails.
audit: install-dev
	@$(BIN)/pip-audit --local --progress-spinner off > $(VENV)/audit.txt 2>&1 || true
	@grep -E "^(Found|No known)|^ERROR|not found on PyPI" $(VENV)/audit.txt | sort | head -n 3
	@! grep -q "^Found" $(VENV)/audit.txt || (cat $(VENV)/audit.txt; exit 1)

lint: install-dev
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks

clean:
	rm -rf runs build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

install: $(VENV)/installed
install-dev: $(VENV)/installed-dev

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch first, and by a release that has a CPU build: pip prefers 2.13.0+cpu to 2.13.0 where an index
# offers both, and saves gigabytes of CUDA. The package itself takes whichever torch is there, so
# `make TORCH=torch install` leaves the choice to pip.
$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet "$(TORCH)"
	$(BIN)/pip install --quiet --editable ".[export,serve]"
	touch $@

$(VENV)/installed-encoders: pyproject.toml | $(VENV)/installed-dev
	$(BIN)/pip install --quiet --upgrade --no-deps --target $(VENV)/encoders "timm>=1.0.31,<1.1"
	touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/installed
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@
