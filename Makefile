# Everything below runs in .venv, made on first use. Written for GNU make 3.81, which macOS still ships.

SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tried in this order unless you say `make PYTHON=...`; 3.11 is the oldest that will do.
PYTHONS = $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python)
# pytest processes: each takes a core and half a gigabyte.
JOBS ?= 2
# Without this, an environment that forbids bytecode files would compile torch anew in every process.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help setup train test test-slow test-ddp test-slurm test-hydra lint format settings docs bench compare clean

help: ## this list
	@echo "usage: make TARGET [ARGS='...']"
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with everything the other targets need (again only when the requirements change)

train: $(STAMP) ## run the main job; ARGS="variant=vanilla data=ring" for another
	@$(BIN)/python -m experiments.train $(ARGS)

test: $(STAMP) ## the tests; ARGS="tests/core -k resume" for some of them
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

test-slow: $(STAMP) ## the tests that take minutes
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m slow $(ARGS)

test-ddp: $(STAMP) ## the tests that start several processes
	@$(BIN)/python -m pytest -m ddp $(ARGS)

test-slurm: $(STAMP) ## the tests that start a SLURM of two nodes here; root, apt install slurmctld slurmd slurm-client munge
	@$(BIN)/python -m pytest -m slurm tests/slurm $(ARGS)

# The next release of Hydra, in an environment of its own in front of the usual packages.
NEXT := .venv-hydra
$(NEXT)/.installed: $(STAMP)
	@$(BIN)/python -m venv --without-pip $(NEXT)
	@packages=$$($(NEXT)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$packages/usual.pth"; \
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target "$$packages" hydra-core==1.4.0rc3 omegaconf==2.4.1rc1
	@touch $@

test-hydra: $(NEXT)/.installed ## the command line's tests under Hydra 1.4 (a release candidate) and OmegaConf 2.4
	@$(NEXT)/bin/python -m pytest -n $(JOBS) --dist loadfile -m "slow or not slow" tests/experiments/test_next_hydra.py $(ARGS)

lint: $(STAMP) ## ruff, formatting, types, import floors
	@failed=; \
	for check in "ruff check ." "ruff format --check ." mypy "lint-imports --no-logo"; do \
	    echo "== $$check"; $(BIN)/$$check || failed="$$failed[$$check] "; \
	done; \
	test -z "$$failed" || { echo "Failed: $$failed"; exit 1; }

format: $(STAMP) ## sort imports, mend what ruff can mend, format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

settings: $(STAMP) ## docs/SETTINGS.md and the tables of settings in docs/variants anew from the constructors
	@$(BIN)/python -m experiments.settings > docs/.SETTINGS.md && mv docs/.SETTINGS.md docs/SETTINGS.md
	@$(BIN)/python -m experiments.settings docs/variants/*.md

docs: $(STAMP) ## the pages as a site in site/, to be read without a network; ARGS=serve shows them as they change
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs $(or $(ARGS),build --strict)

bench: $(STAMP) ## our training step against a bare PyTorch loop
	@$(BIN)/python -m benchmarks.step $(ARGS)

compare: $(STAMP) ## one table of all runs; ARGS="runs/a runs/b" for some of them
	@$(BIN)/python -m experiments.compare $(or $(ARGS),runs/)

clean: ## remove .venv, build products and caches; runs/ and data/ stay
	rm -rf $(VENV) $(NEXT) build dist *.egg-info .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -not -path './runs/*' -not -path './data/*' -prune -exec rm -rf {} +

# uv takes a quarter of pip's time. It does not read pip's configuration, so the index and the certificates set there
# are handed over; where uv cannot be had or cannot reach the index, pip does it all.
# The last step imports what is large: it proves that the builds fit each other and compiles them once, for all.
$(STAMP): setup.cfg pyproject.toml constraints.txt
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	    found=; \
	    for candidate in $(PYTHONS); do \
	        if "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	        then found="$$candidate"; break; fi; \
	    done; \
	    if test -z "$$found"; then \
	        echo "None of these is Python 3.11 or newer with its venv module: $(PYTHONS). Install one" \
	            "(Debian, Ubuntu: apt install python3-venv; macOS: brew install python@3.13)" \
	            "or name it: make PYTHON=/path/to/python3.13 $(MAKECMDGOALS)"; \
	        exit 1; \
	    fi; \
	    echo "Setting up $(VENV) with $$found: up to 2.7 GB to download, one to five minutes, once."; \
	    "$$found" -m venv $(VENV) || { echo "Could not make $(VENV): run make clean and try again."; exit 1; }; \
	fi
	@setting() { $(BIN)/python -m pip config list | sed -n "s/^[^=]*\.$$1='\(.*\)'$$/\1/p" | head -n 1; }; \
	certificates="$${SSL_CERT_FILE:-$$(setting cert)}"; index="$${UV_DEFAULT_INDEX:-$$(setting index-url)}"; \
	test -z "$$certificates" || export SSL_CERT_FILE="$$certificates"; \
	test -z "$$index" || export UV_DEFAULT_INDEX="$$index"; \
	$(BIN)/python -m pip install --quiet -c constraints.txt uv && \
	    $(BIN)/uv pip install --python $(BIN)/python -c constraints.txt -e '.[dev]' || { \
	    echo "uv could not do it: installing with pip, which takes longer."; \
	    $(BIN)/python -m pip install --no-compile -c constraints.txt -e '.[dev]'; }
	@echo "Checking the installation"
	@$(BIN)/python -c "import torch._dynamo, torchvision, pytorch_lightning, torchmetrics, wandb, hydra, \
	    sklearn.datasets, scipy.linalg, matplotlib.pyplot, PIL.Image, rich.progress, safetensors.torch, pytest"
	@touch $@
