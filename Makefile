# make test: all checks and tests.  make test-unit: the tests of minutes.  make demo: from pixel tables to a picture.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

PYTEST := $(BIN)/python -m pytest --numprocesses 2 --no-loadscope-reorder --durations=15
UNIT   := not (night or reference or slurm or clients)

# instrument modes of the ESO pipeline's nights beside that of test-reference
MODES  := WFM-AO-N NFM-AO-N WFM-NOAO-E WFM-AO-E

.PHONY: install check test test-unit test-reference test-reference-all test-clients test-slurm fuzz explore demo docs bench clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev,plot,cluster,campaign]'
	touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# the unit lane first, then the two others side by side
test: check test-unit
	$(PYTEST) -m "not ($(UNIT)) and not clients"

# no simulated night, no reference pipeline, no SLURM
test-unit: install
	$(PYTEST) -m "$(UNIT)"

test-reference: install
	$(PYTEST) -m "night or reference"

# the second stage on a night of every other mode, one after the other; their figures go to build/figures
test-reference-all: $(MODES:%=test-reference-%)

test-reference-%: install
	mkdir -p build/figures
	MUSEDEEP_TEST_MODE=$* $(PYTEST) -m modes --junitxml=build/figures/$*.xml

# programs of others that drive recipes, unmodified
test-clients: install
	$(PYTEST) -m clients

test-slurm: install
	$(PYTEST) -m slurm

# two thousand damaged inputs, others each time; make fuzz MUSEDEEP_FUZZ_SEED=7 repeats
fuzz: install
	MUSEDEEP_FUZZ=90 MUSEDEEP_FUZZ_SEED=$${MUSEDEEP_FUZZ_SEED:-$$(date +%s)} $(BIN)/python -m pytest tests/fuzz

# property tests with other examples each time
explore: install
	MUSEDEEP_HYPOTHESIS=explore $(PYTEST) -m "$(UNIT)" $$(grep -rl "hypothesis" tests --include="test_*.py")

demo: install
	$(BIN)/python demo/make_exposures.py
	$(BIN)/musedeep combine demo/selection.yaml --overwrite
	$(BIN)/python demo/plot.py

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: install
	$(BIN)/python -m benchmarks.run build/bench

clean:
	rm -rf demo/data demo/output site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
