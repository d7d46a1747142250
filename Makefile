# make run    set up on the first start, then serve the dashboard on http://localhost:8501
# make test   linters, types, unit tests and the checks of tests/fast.txt (docs/testing.md: how long)
# make test-all  all integration and browser tests; SHARD=2/5 runs the second fifth of the files
# make test-lab  the tests of lab/ alone
# make coverage  what all tests together reach
# make languages  what each language lacks (it is shown in English)
# make docs   this project's site, in build/site/
# make wheels  the eight wheels and the source archive, in dist/
# make audit  known vulnerabilities of the locked packages
# make sbom   software bill of materials (CycloneDX), in build/
# make lock   update uv.lock to pyproject.toml, and docs/licenses.md
#
# PORT=8601 serves elsewhere, ADDRESS=0.0.0.0 to other computers as well; PYTHON=python3.12 chooses the Python; TORCH=cuda or TORCH=cpu
# chooses the build of PyTorch (CPU unless there is an NVIDIA GPU).

.DEFAULT_GOAL := run
.PHONY: run dev test test-lab test-all coverage languages docs wheels audit sbom format lock clean

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
@$(PYTHON) tools/setup.py $(1)
endef
# What the image holds.
SHIPPED := dashboard postgres s3 links

run:
	$(call setup,dashboard)
	@exec $(SERVE) --server.headless true

dev:
	$(call setup,dashboard)
	@exec $(SERVE) --server.fileWatcherType auto

test:
	$(call setup,dashboard test lab)
	@$(BIN)/python tools/programs.py
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(compile) & $(BIN)/mypy && wait
	$(PYTEST) $(or $(PYTEST_ARGS),tests/unit @tests/fast.txt)

# The lab's alone, fast and slow.
test-lab:
	$(call setup,dashboard test lab)
	$(BIN)/mypy -p lab
	$(PYTEST) tests/unit/lab tests/integration/lab

test-all:
	$(call setup,dashboard docs test lab)
	@$(BIN)/python tools/programs.py
	$(PYTEST) $$($(files))

# What all tests together reach. Half as slow again as without, so it is not part of `make test`.
coverage:
	$(call setup,dashboard docs test lab)
	$(PYTEST) -n 3 --cov --cov-report=term

languages:
	$(call setup,dashboard test)
	@$(BIN)/python -m tools.languages

docs:
	$(call setup,dashboard docs)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheels:
	$(call setup,dashboard test)
	$(BIN)/python -m hatchling build
	for part in deploy/weights plugins/* lab; do \
	(cd $$part && $(abspath $(BIN)/python) -m hatchling build -t wheel -d $(CURDIR)/dist) || exit; done

# Asks OSV. Where it can't be reached, nothing is audited, which is reported and is no failure.
OSV := import socket; socket.create_connection(("api.osv.dev", 443), 10)
audit:
	$(call setup,dashboard test)
	@mkdir -p build && TORCH=cuda $(BIN)/python tools/setup.py --list $(SHIPPED) cluster test build > build/locked.txt
	@if $(BIN)/python -c '$(OSV)' 2> /dev/null; \
	then $(BIN)/pip-audit --vulnerability-service osv --require-hashes --disable-pip --requirement build/locked.txt; \
	else echo "unmask: NOT AUDITED: api.osv.dev can't be reached" >&2; fi

sbom:
	$(call setup,dashboard test)
	@mkdir -p build && TORCH=cpu $(BIN)/python tools/setup.py --list $(SHIPPED) \
	| $(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-file build/unmask.cdx.json -

format:
	$(call setup,dashboard test)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# UPGRADE=--upgrade raises all versions, UPGRADE="--upgrade-package NAME" one.
lock:
	$(call setup,dashboard test)
	$(BIN)/uv lock $(UPGRADE)
	$(BIN)/python tools/lock_cpu.py
	$(call setup,$(SHIPPED) test)
	@mkdir -p build && { sed '/^## Packages/q' docs/licenses.md; echo; } > build/licenses.md
	$(BIN)/python tools/setup.py --list $(SHIPPED) | sed -n 's/==.*//p' \
	| xargs $(BIN)/pip-licenses --no-version --order license --format csv --packages | tail -n +2 | tr -d '"' | tr -d '\r' \
	| awk -F, '$$2 != last { printf "%s- **%s**:", (NR > 1 ? "\n" : ""), $$2; last = $$2; comma = "" } { printf "%s %s", comma, $$1; comma = "," } END { print "" }' >> build/licenses.md
	mv build/licenses.md docs/licenses.md

clean:
	rm -rf $(VENV) build dist reports .coverage .mypy_cache .pytest_cache .ruff_cache
