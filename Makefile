# make run    set up on the first start, then serve the dashboard on http://localhost:8501
# make test   linters, types, import arrows, all tests with the browser test
# make coverage  what all tests together reach
# make audit  known weaknesses of the locked packages
# make sbom   what Unmask is made of, as CycloneDX
#
# PORT=8601 serves elsewhere, ADDRESS=0.0.0.0 to other computers as well; PYTHON=python3.12 chooses the Python; TORCH=any takes the PyTorch that
# pip finds, with CUDA (see tools/setup.py for which one is installed otherwise).

.DEFAULT_GOAL := run
.PHONY: run dev test coverage audit sbom format lock clean

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

# Files begin in the order of tests/conftest.py, the longest first. For two cores: units in two
# processes, then cameras beside little else, since a video link that is starved of a core for some
# seconds is lost; the others in three, a third of whose work is to wait for servers and browsers.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
CAMERAS := tests/browser/test_browser_live.py tests/integration/service/test_live_loopback.py \
	tests/integration/project
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

test:
	$(call setup,dashboard test)
	@$(BIN)/python tools/programs.py
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(if $(PYTEST_ARGS),,$(compile) &) $(BIN)/mypy && wait
	$(PYTEST) $(or $(PYTEST_ARGS),tests/unit --cov --cov-report=)
	$(if $(PYTEST_ARGS),,$(PYTEST) $(CAMERAS))
	$(if $(PYTEST_ARGS),,$(PYTEST) -n 3 tests/integration tests/browser $(CAMERAS:%=--ignore %))

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
