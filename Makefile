# Every target works in a fresh clone: it installs what it needs into .venv.
PYTHON ?= python3
# Meltano, the loaders, dbt and Airflow are programs with environments of their own.
LOADER_PYTHON ?= $(PYTHON)
BIN := .venv/bin
STAMP := .venv/.installed
LOCK = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-header --no-annotate --no-emit-index-url

NEXT := .venv-next/bin
# Most tests wait for processes and responses, so two workers per core keep it busy.
WORKERS ?= $(shell expr 2 \* $$(nproc))

LOADERS := .meltano/loaders/target-duckdb/venv/.installed \
	.meltano/loaders/target-postgres/venv/.installed .meltano/utilities/dbt/venv/.installed \
	.meltano/cli/venv/.installed
AIRFLOW := .meltano/airflow/venv/.installed

define INSTALL_ENVIRONMENT
	@$(LOADER_PYTHON) demo/loader_python.py
	$(LOADER_PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --quiet --require-hashes --requirement $<
	@touch $@
endef

SUPPORTED = import sys; (3, 11) <= sys.version_info < (3, 15) or sys.exit("Python 3.11 to 3.14 is \
	needed, but this is %d.%d: run make setup PYTHON=python3.12" % sys.version_info[:2])

.PHONY: help setup loaders test test-fast test-next coverage demo docs transcript bench torture airflow-demo lint types imports lock audit secrets build clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## Install everything into .venv, console scripts in .venv/bin

$(STAMP): pyproject.toml requirements/dev.txt
	@$(PYTHON) -c '$(SUPPORTED)'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --quiet --require-hashes --requirement requirements/dev.txt
	$(BIN)/pip install --quiet --quiet --no-deps --no-build-isolation --editable .
	@touch $@

loaders: $(LOADERS) ## Install Meltano, the loaders and dbt for the tests, each in its own environment

.meltano/loaders/%/venv/.installed: requirements/%.txt
	$(INSTALL_ENVIRONMENT)

.meltano/utilities/dbt/venv/.installed: requirements/marts.txt
	$(INSTALL_ENVIRONMENT)

# Not .venv-meltano, which the demo may recreate at any time.
.meltano/cli/venv/.installed: requirements/meltano.txt
	$(INSTALL_ENVIRONMENT)

$(AIRFLOW): requirements/airflow.txt
	$(INSTALL_ENVIRONMENT)

test: setup loaders $(AIRFLOW) ## Run the tests
	$(BIN)/pytest -n $(WORKERS) --durations=15 --durations-min=10

test-fast: setup ## Run the unit and property tests without the slow ones, in seconds
	BOOKIO_SCANS=50 BOOKIO_PAGES=15 $(BIN)/pytest -n auto -m "not slow" tests/unit tests/property

test-next: loaders $(AIRFLOW) ## Run the tests against the newest pre-release of singer-sdk
	@$(PYTHON) -c '$(SUPPORTED)'
	$(PYTHON) -m venv --clear .venv-next
	$(NEXT)/pip install --quiet --quiet --require-hashes --requirement requirements/dev.txt
	$(NEXT)/pip install --quiet --quiet 'singer-sdk>=0.55.0a0,<0.56'
	$(NEXT)/pip install --quiet --quiet --no-deps --no-build-isolation --editable .
	$(NEXT)/pytest -n auto

coverage: setup loaders $(AIRFLOW) ## Measure branch coverage, subprocesses included; pyproject.toml has the minimum
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

docs: setup ## Generate parts of the docs, and build the site in output/docs
	$(BIN)/python docs/generate.py
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --nitpicky -d output/docs-cache docs output/docs

transcript: setup loaders ## Update the examples in docs/doctor.md, docs/loaders.md and (of airflow-demo) docs/how-to/airflow.md
	$(BIN)/python docs/transcript.py
	$(BIN)/python docs/postgres_transcript.py

bench: setup ## Compare with stock connectors; writes docs/performance.md
	$(BIN)/python bench/run.py --write

torture: setup ## Run the random tests for longer: 10,000 scans, 1,000 kills of each
	BOOKIO_SCANS=10000 BOOKIO_KILLS=1000 BOOKIO_RECORDS=3000 \
		BOOKIO_MODEL_TICKS=16 BOOKIO_MODEL_TROUBLE=2 $(BIN)/pytest -n auto \
		tests/property tests/faults tests/model

demo: setup ## Run the whole round trip: load, marts, write-back and report
	$(BIN)/python demo/run.py

airflow-demo: setup loaders $(AIRFLOW) ## Run 200 clinics in shards on Airflow, kill one shard, compare with a single run
	$(BIN)/python -m demo.airflow.run

lint: setup ## Check style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup ## Check types
	$(BIN)/mypy

imports: setup ## Check the import contract
	$(BIN)/lint-imports

lock: setup ## Pin all dependencies, with hashes
	$(LOCK) pyproject.toml --output-file requirements/runtime.txt
	$(LOCK) pyproject.toml --all-extras --group dev --output-file requirements/dev.txt
	$(LOCK) requirements/meltano.in --output-file requirements/meltano.txt
	$(LOCK) requirements/target-duckdb.in --output-file requirements/target-duckdb.txt
	$(LOCK) requirements/target-postgres.in --output-file requirements/target-postgres.txt
	$(LOCK) --no-strip-extras --emit-build-options requirements/marts.in --output-file requirements/marts.txt
	$(LOCK) requirements/airflow.in --output-file requirements/airflow.txt
	$(LOCK) requirements/sbom.in --output-file requirements/sbom.txt

audit: secrets ## Scan for secrets, then for known vulnerabilities (needs a network)
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/dev.txt

secrets: setup ## Scan the source tree for secrets
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --exclude-files '^(bench/)?requirements'

build: setup ## Build dist/: wheel, source archive and SBOM (CycloneDX)
	$(BIN)/python -m build --no-isolation --outdir dist
	$(PYTHON) -m venv .venv-sbom
	.venv-sbom/bin/pip install --quiet --quiet --require-hashes --requirement requirements/sbom.txt
	.venv-sbom/bin/cyclonedx-py requirements requirements/runtime.txt --pyproject pyproject.toml \
		--output-reproducible --output-file dist/sbom.json

clean: ## Remove environments, caches, dist/ and output/; keep warehouse/, .meltano/ and .bookio/
	rm -rf .venv .venv-* output dist build .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
