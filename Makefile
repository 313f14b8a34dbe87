# One word per chore. The first target of a fresh clone makes .venv and installs; `make help` lists the words.

PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1 && echo $$p && break; done)
# Any arguments of `pip install`, so another build of torch can be chosen: make setup TORCH="torch==2.13.0 --index-url URL"
TORCH ?= torch==2.13.0
# More arguments for pytest: make test PYTEST_ARGS="-k volume"
PYTEST_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two processes with one thread each are quicker than one with two, and they don't compete for cores.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := check
.PHONY: help setup demo test test-slurm check format laws slow gpu fuzz gui screenshots bench docs validation results family train-gpu wheel release sizes clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(STAMP)  ## make .venv and install medsr with everything a developer needs

# torch first and alone, so that the build chosen with TORCH stays when the rest is installed.
$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer found; install one or run make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[dev]"
	@touch $@

demo: setup  ## degrade the sample scan, enhance it, print the table and write the picture
	$(BIN)/python pipelines/demo/run.py

# The window waits most of the time, so its tests run beside the others; what they say comes at the end.
test: setup  ## all tests (those for CUDA skip themselves without a device)
	@mkdir -p build
	@$(MAKE) --no-print-directory gui > build/gui.txt 2>&1 & window=$$!; \
	$(PYTEST) $(PARALLEL) $(PYTEST_ARGS); others=$$?; \
	wait $$window; window=$$?; cat build/gui.txt; exit $$((others | window))

check: setup  ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy medsr napari_plugin
	$(BIN)/lint-imports

format: setup  ## format the files with ruff and mend what it can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

laws: setup  ## only the tests that state laws: geometry, operators, noise, samplers, metrics
	$(PYTEST) $(PARALLEL) $(wildcard tests/test_affine.py tests/test_volume.py) tests/physics tests/diffusion tests/metrics $(PYTEST_ARGS)

slow: setup  ## only the tests that take more than a few seconds
	$(PYTEST) $(PARALLEL) -m slow $(PYTEST_ARGS)

test-slurm: setup  ## a batch on a Slurm of this machine (Debian: slurm-wlm, munge; as root)
	$(BIN)/pytest -m slurm tests/e2e/test_batch_slurm.py $(PYTEST_ARGS)

gpu: setup  ## only the tests that need a CUDA device
	$(BIN)/pytest -m gpu $(PYTEST_ARGS)

# How many damaged inputs of each kind: make fuzz FUZZ=200
FUZZ ?= 5000
fuzz: setup  ## read thousands of damaged DICOM series, compressed pixels and image files: refused or read, nothing else
	OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -m fuzz.run --count $(FUZZ)

# Tests of a real window run in a process of their own: one that fails would take the next ones with it.
XVFB := xvfb-run -a -s "-screen 0 1600x1000x24"
gui: setup  ## only the tests that need a napari window; CONTRIBUTING.md names the packages
	@if command -v xvfb-run > /dev/null; then OMP_NUM_THREADS=1 $(XVFB) $(BIN)/pytest -m viewer -p no:xdist tests/napari_plugin/viewer $(PYTEST_ARGS); \
	else echo "make gui: xvfb-run is not installed, so the tests of the napari window are skipped" >&2; fi

screenshots: setup  ## take the pictures of docs/tutorials/napari.md from a real viewer
	$(XVFB) $(BIN)/python pipelines/screenshots/run.py

bench: setup  ## every benchmark: speed, memory, quality
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script; done

docs: setup  ## the documentation to build/docs; warnings are errors
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -q -E -W --keep-going -j 2 -b html docs build/docs

validation: setup  ## the tables of the page of results and of the model card, from the validation scans; resumable
	$(BIN)/python pipelines/validate/run.py
	$(BIN)/python benchmarks/wrong_assumptions.py

results: setup  ## write the validation table of docs/explanation/results.md from results/validation.json
	$(BIN)/python pipelines/validate/results_page.py

# How long each member is trained, and how often: make family FAMILY_MINUTES=60 SEEDS=3
FAMILY_MINUTES ?= 30
SEEDS ?= 1
family: setup  ## train every member of the diffusion family for FAMILY_MINUTES and write the table of docs/explanation/family.md; resumable
	@test -f packs/train/packs.json || $(BIN)/python pipelines/prepare_training/run.py
	$(BIN)/python pipelines/family/run.py --minutes $(FAMILY_MINUTES) --seeds $(SEEDS)

# How long to train, and how large the packs may be: make train-gpu MINUTES=30
MINUTES ?= 8
PACKS_MIB ?= 30
train-gpu: setup  ## train the shipped weights further for MINUTES, and replace them only if they measure better
	@test -f packs/train/packs.json || $(BIN)/python pipelines/prepare_training/run.py --limit $(PACKS_MIB)
	$(BIN)/python pipelines/train_gpu/run.py --minutes $(MINUTES)

wheel: setup  ## dist/medsr-*.whl
	rm -rf build dist
	$(BIN)/python -m pip wheel --disable-pip-version-check --no-deps -w dist .

release: check test wheel  ## a wheel of a tree that passes everything

sizes: setup  ## the longest files and functions; a mirror, not a gate
	@$(BIN)/python -c "$$SIZES"

clean:  ## remove what was built or cached, not .venv
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find medsr napari_plugin tests pipelines benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

define SIZES
import ast
from pathlib import Path

files, functions = [], []
for path in (p for folder in ("medsr", "napari_plugin", "pipelines", "benchmarks", "tests") for p in Path(folder).rglob("*.py")):
    text = path.read_text(encoding="utf-8")
    files.append((text.count("\n"), str(path)))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            start = node.body[1].lineno if ast.get_docstring(node) and node.body[1:] else node.body[0].lineno
            functions.append((node.end_lineno - start + 1, f"{path}:{node.lineno} {node.name}"))
for title, rows in (("lines, file", files), ("lines without docstring, function", functions)):
    print(title)
    for size, name in sorted(rows, reverse=True)[:10]:
        print(f"{size:6d}  {name}")
endef
export SIZES
