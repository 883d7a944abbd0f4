# `make demo` and `make test` work on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
# A stamp for each set of packages, named after pyproject's extra, these files and nothing else.
CONTENT := $(shell cat requirements.lock pyproject.toml | cksum | cut -d' ' -f1)
DEMO := $(VENV)/.ready-demo-$(CONTENT)
DEV := $(VENV)/.ready-dev-$(CONTENT)

.PHONY: demo test environment lint format lock clean

demo: $(DEMO)
	$(VENV)/bin/ttd-jax demo --out=demo

test: lint
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=25
	$(VENV)/bin/python -m pytest -n 2 --doctest-modules ttd_jax

# Everything that development needs.
environment: $(DEV)

lint: $(DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(DEV)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# Installs the extra that the stamp names. The versions are the lock's; pyproject.toml keeps ranges.
# On Linux, PyPI's torch brings gigabytes of CUDA's libraries to `make test`; the build for CPUs comes
# with PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu.
$(VENV)/.ready-%-$(CONTENT): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 2; }
	@rm -f $(filter-out %-$(CONTENT),$(wildcard $(VENV)/.ready-*))
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet -c requirements.lock setuptools
	$(VENV)/bin/pip install --quiet -c requirements.lock --no-build-isolation -e '.[$*]'
	@touch $@

# Rewrites the lock from pyproject's ranges, for every Python and platform at once. Versions that
# still fit are kept; `make lock LOCK=--upgrade` takes the newest, `LOCK='-P jax'` those of JAX.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet uv
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --extra dev \
	  --no-header --no-annotate $(LOCK) --output-file requirements.lock pyproject.toml
	rm -rf .venv-lock

clean:
	rm -rf $(VENV) .venv-lock demo build *.egg-info
