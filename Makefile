# make run    set up on the first start, then serve the dashboard on http://localhost:8501
# make test   linters, types, unit tests and the checks of tests/fast.txt: ten minutes on two cores
# make test-all  all integration and browser tests; SHARD=2/5 runs the second fifth of the files
# make coverage  what all tests together reach
# make audit  known weaknesses of the locked packages
# make sbom   what Unmask is made of, as CycloneDX
#
# PORT=8601 serves elsewhere, ADDRESS=0.0.0.0 to other computers as well; PYTHON=python3.12 chooses the Python; TORCH=any takes the PyTorch that
# pip finds, with CUDA (see tools/setup.py for which one is installed otherwise).

.DEFAULT_GOAL := run
.PHONY: run dev test test-all coverage audit sbom format lock clean

PORT ?= 8501
# Empty: what .streamlit/config.toml or STREAMLIT_SERVER_ADDRESS says, this computer alone as it comes.
ADDRESS ?=
VENV ?= .venv
export VENV TORCH
# Hundreds of processes import the same files, which are compiled once, whatever the machine is set to.
unexport PYTHONDONTWRITEBYTECODE

BIN := $(VENV)/bin
# The first of these that is new enough; an unversioned python3 is the likeliest to have its venv.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
endif

# Files begin in the order of tests/conftest.py, the longest first.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
	--durations=50 --junitxml=reports/$@.xml
SHARD ?= 1/1
files := find tests/integration tests/browser -name 'test_*.py' | sort | \
	awk -v shard=$(SHARD) 'BEGIN { split(shard, part, "/") } NR % part[2] == part[1] % part[2]'
# What the tests import, by one process on the core that mypy leaves, and not by each of theirs.
compile := $(BIN)/python -m pytest --collect-only --quiet tests > /dev/null
SERVE := $(BIN)/python -m streamlit run app.py --server.port $(PORT) $(if $(ADDRESS),--server.address $(ADDRESS))

define setup
@test -n "$(PYTHON)" || { echo "unmask: Python 3.11 or newer is missing: sudo apt-get install python3 python3-venv" >&2; exit 1; }
@GOAL=$@ $(PYTHON) tools/setup.py $(1)
endef

run:
	$(call setup,dashboard)
	@exec $(SERVE) --server.headless true

dev:
	$(call setup,dashboard)
	@exec $(SERVE) --server.fileWatcherType auto

define services
@$(BIN)/python tools/chromium.py
@$(BIN)/python tools/postgres.py
@$(BIN)/python tools/standin.py
@$(BIN)/python tools/caddy.py
endef

test:
	$(call setup,dashboard test)
	$(services)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(compile) & $(BIN)/mypy && wait
	$(PYTEST) $(or $(PYTEST_ARGS),tests/unit @tests/fast.txt)

test-all:
	$(call setup,dashboard test)
	$(services)
	$(PYTEST) $$($(files))

# What all tests together reach. Half as slow again as without, so it is not part of `make test`.
coverage:
	$(call setup,dashboard test)
	$(PYTEST) -n 3 --cov --cov-report=term --cov-fail-under=91

# 3: nobody could be asked, which it says.
audit:
	$(call setup,dashboard test)
	@$(BIN)/python tools/audit.py || [ $$? -eq 3 ]

sbom:
	$(call setup,dashboard test)
	@$(BIN)/python tools/sbom.py

format:
	$(call setup,dashboard test)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# After a change of pyproject.toml: what is installed now becomes what everybody gets.
lock:
	$(call setup,dashboard test)
	@$(BIN)/python -c 'import uv' 2>/dev/null || $(BIN)/pip install --quiet uv
	$(BIN)/python tools/lock.py
	$(BIN)/python tools/licenses.py

clean:
	rm -rf $(VENV) build dist .coverage .mypy_cache .pytest_cache .ruff_cache
