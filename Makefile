# make train · make test · make mutants · make bench · make lint · make rom
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: train test test-slow mutants bench lint format rom clean

train: $(READY)  ## train on the built-in game; pass flags as ARGS="--num-envs 64"
	$(BIN)/python -m train_big $(ARGS)

test: $(READY)  ## everything but the slow learning checks
	$(BIN)/python -m pytest

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

mutants: $(READY)  ## plant small faults in the learners one at a time; ARGS="NAME ..." for some
	$(BIN)/python -m tests.mutants $(ARGS)

bench: $(READY)
	$(BIN)/python -m benchmarks.sps $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

rom: $(READY)  ## rebuild the built-in game; needs SDCC 4.2 (Debian: apt install sdcc)
	$(BIN)/python -m puffer_envs.pokemon_red.rom.build

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || \
	  { echo "this project needs Python 3.11 or 3.12, not `$(PYTHON) --version`: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,bench]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
