# `make` lists what there is. Everything runs in .venv, which `make setup` makes from requirements.txt;
# `make setup-export` adds requirements-export.txt to it, tests and lint that and requirements-dev.txt.

PYTHON := $(shell command -v python3.11 || command -v python3)
UV := uv==0.13.9
INSTALLED := .venv/installed
INSTALLED_EXPORT := .venv/installed-export
INSTALLED_DEV := .venv/installed-dev
VEGA := .apparel/vega.js
RUN := .venv/bin/python

# The stages in dvc.yaml say `python`: that of .venv, whether it is activated or not.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup setup-export repro sweep ui dashboard plots experiments test test-all lint deps lock

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) $(VEGA) ## make .venv with the packages and the command `apparel`; does nothing when that is done

setup-export: $(INSTALLED_EXPORT) ## add the packages that the format ONNX needs: onnx, tf2onnx, ONNX Runtime, OpenVINO; 0.3 GB

# What is not in the lists is removed, so the project itself comes last. It brings no packages: the lists are locked.
define install
	$(RUN) -m pip install --quiet --disable-pip-version-check $(UV)
	$(RUN) -m uv pip sync --require-hashes $(1)
	$(RUN) -m uv pip install --quiet --no-deps --no-build-isolation --editable .
endef

export_list = $(if $(wildcard $(INSTALLED_EXPORT)),requirements-export.txt)
dev_list = $(if $(wildcard $(INSTALLED_DEV)),requirements-dev.txt)

# The stamp goes first and comes back last: after a set-up that was cut short, .venv is made again.
# Where the packages of another list are installed, they stay.
$(INSTALLED): requirements.txt pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo >&2 \
		"error: no Python 3.11; install it, or say where it is: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up .venv: 3.9 GB of packages, of which TensorFlow is 1.8 (docs/install.md); minutes, by your network"
	@if [ -e $@ ]; then rm $@; else "$(PYTHON)" -m venv --clear .venv || { echo >&2 \
		"error: $(PYTHON) makes no virtual environments; on Debian and Ubuntu: apt-get install python3.11-venv"; exit 1; }; fi
	$(call install,requirements.txt $(export_list) $(dev_list))
	@touch $@

$(INSTALLED_EXPORT): requirements-export.txt $(INSTALLED)
	@rm -f $(INSTALLED) $@
	$(call install,requirements.txt requirements-export.txt $(dev_list))
	@touch $(INSTALLED) $@

$(INSTALLED_DEV): requirements-dev.txt requirements-export.txt $(INSTALLED)
	@rm -f $(INSTALLED) $(INSTALLED_EXPORT) $@
	$(call install,requirements.txt requirements-export.txt requirements-dev.txt)
	@touch $(INSTALLED) $(INSTALLED_EXPORT) $@

$(VEGA): | $(INSTALLED)
	$(RUN) -c "from apparel.analysis import vega; vega.ensure()"

repro: setup ## run the pipeline as params.yaml says, then show the result
	@$(RUN) -m apparel run

sweep: setup ## a small sweep on the drawn photos; `apparel sweep` is the real one
	$(RUN) -m apparel sweep --config configs/sweep-demo.yaml

ui: setup ## open MLflow on the runs of this clone
	$(RUN) -m apparel ui

dashboard: setup ## open optuna-dashboard on the sweeps of this clone
	$(RUN) -m apparel dashboard

plots: setup ## draw the curves on a page that opens without a network
	$(RUN) -m apparel plots

experiments: setup ## list commits and experiments, what differs and how they did
	@$(RUN) -m apparel experiments

test: $(INSTALLED_DEV) $(VEGA) ## run the tests
	$(RUN) -m pytest

test-all: $(INSTALLED_DEV) $(VEGA) ## run all tests, including those that take minutes
	$(RUN) -m pytest -m "" -o faulthandler_timeout=3600

lint: $(INSTALLED_DEV) ## check style and format
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

deps: setup ## write into dvc.yaml what each stage imports
	$(RUN) -m tools.stage_deps

# Versions stay as they are in the lists, unless a .in file asks for others. The users' list is
# compiled first, and the others are constrained to its versions.
COMPILE := $(RUN) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock"

lock: setup ## compile the .in files into the lists with hashes
	$(COMPILE) requirements.in --output-file requirements.txt
	$(COMPILE) --constraints requirements.txt requirements-export.in --output-file requirements-export.txt
	$(COMPILE) --constraints requirements.txt requirements-gpu.in --output-file requirements-gpu.txt
	$(COMPILE) --constraints requirements.txt --constraints requirements-export.txt requirements-dev.in \
		--output-file requirements-dev.txt
