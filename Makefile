# Everything that is done with this checkout starts here. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

VENV := .venv
PY := $(VENV)/bin/python
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

COLLECTION := .build/collections/ansible_collections/rightsize/webstack
IMAGE_DISTRIBUTION ?= trixie
SCENARIO ?=
# They mostly wait: for traffic, for packages, for each other's time-outs.
JOBS ?= 2
# What make test runs, the longest first. A new scenario joins once it has passed whole.
SCENARIOS := postgres agente stack default redis recomendaciones crash faults aconex_rag mysql metrics handover citas small orquestador collection workers
DEMO_PORT ?= 8088
BOARD := .build/orangepi
PYTHON_SOURCES := plugins tests molecule tools

.PHONY: help
help: ## Show this list
	@echo "make demo and make test are all that a first visit needs."
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

# --- prerequisites ---------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(VENV)/.run-installed $(COLLECTION) ## Prepare what running the collection needs: Python, virtualenv, import path

.PHONY: setup-dev
setup-dev: setup $(VENV)/.dev-installed ## Prepare what testing the collection needs as well

.PHONY: setup-hosts
setup-hosts: # Debian packages for test hosts
	@tools/install-packages hosts

$(PY):
	@tools/install-packages python
	@echo "==> Creating the virtualenv $(VENV)"
	@"$$(tools/find-python)" -m venv --clear $(VENV)

# uv, itself pinned, installs the rest in seconds.
$(VENV)/bin/uv: requirements.txt | $(PY)
	@$(PY) -m pip install --quiet "$$(grep -E '^uv==' requirements.txt)"
	@touch $@

$(VENV)/.run-installed: requirements.txt | $(VENV)/bin/uv
	@echo "==> Installing Ansible and what it needs (requirements.txt)"
	@uv pip install --python $(PY) --requirement requirements.txt
	@touch $@

$(VENV)/.dev-installed: requirements-dev.txt | $(VENV)/bin/uv
	@echo "==> Installing linters and test tools (requirements-dev.txt)"
	@uv pip install --python $(PY) --requirement requirements-dev.txt
	@touch $@

# Ansible and pytest import the checkout as the collection rightsize.webstack.
$(COLLECTION):
	@mkdir -p $(@D)
	@ln -sfn ../../../.. $@

.PHONY: pin
pin: setup ## Pin requirements*.txt again to the newest versions that pyproject.toml admits
	@uv pip compile --quiet --universal --upgrade --python-version 3.11 --no-header --group run --output-file requirements.txt
	@uv pip compile --quiet --universal --upgrade --python-version 3.11 --no-header --group run --group dev \
		--constraints requirements.txt --output-file requirements-dev.txt

# --- a host to look at -----------------------------------------------------------------------------------------

.PHONY: image
image: setup-hosts ## Build the test hosts' image (IMAGE_DISTRIBUTION=bookworm for Debian 12)
	@tools/as-root tests/hosts/build-image $(IMAGE_DISTRIBUTION)

.PHONY: demo-host
demo-host: setup image ## Start the demo host alone, without deploying to it
	@tools/as-root ansible-playbook tests/hosts/create.yml -e @tests/hosts/demo.yml -e demo_port=$(DEMO_PORT)

.PHONY: demo
demo: demo-host ## Deploy the demo app to a demo host, print its plan and a URL that answers (DEMO_PORT=8088)
	@echo "==> Deploying the demo app"
	@tools/as-root ansible-playbook -i inventories/demo playbooks/deploy.yml
	@echo "==> The plan"
	@tools/as-root ansible-playbook -i inventories/demo playbooks/plan.yml
	@tools/as-root $(PY) tools/demo_address.py $(DEMO_PORT)

# --- tests -----------------------------------------------------------------------------------------------------

.PHONY: test
test: lint unit unit-root molecule ## Everything: lint, unit tests, Molecule scenarios

.PHONY: unit
unit: setup-dev ## Unit tests
	@echo "==> Unit tests"
	@pytest

.PHONY: unit-root
unit-root: setup-dev ## Those unit tests that need root: limits on control groups that they make
	@echo "==> Unit tests on real control groups"
	@tools/as-root $(PY) -m pytest -rs tests/unit/module_utils/hardware/test_real_cgroups.py

.PHONY: molecule
molecule: setup-dev image ## Molecule scenarios on test hosts, two at a time (SCENARIO=name for one, JOBS=n)
	@tools/as-root tools/run-scenarios --jobs $(if $(SCENARIO),1,$(JOBS)) $(or $(SCENARIO),$(SCENARIOS))

.PHONY: orangepi
orangepi: setup-dev ## Emulate a whole Orange Pi 5 Plus and deploy to it over SSH (half an hour the first time, all in .build/orangepi)
	@tools/install-packages board
	@tools/as-root tests/board/build $(BOARD)
	@tools/as-root tests/board/start $(BOARD)
	@tools/as-root $(PY) tests/board/accept.py $(BOARD)

.PHONY: bench
bench: setup-dev image ## Time the playbooks against a single ping, on a test host of their own
	@tools/as-root ansible-playbook tests/hosts/create.yml -e @tests/bench/host.yml
	@tools/as-root $(PY) tests/bench/speed.py
	@tools/as-root ansible-playbook tests/hosts/destroy.yml -e @tests/bench/host.yml

.PHONY: bench-sizing
bench-sizing: setup-dev image ## Compare planned worker counts with the best (half an hour; SHAPES=1cpu-512m WORKLOADS="cpu memory" for some)
	@tools/install-packages load
	@tools/as-root $(PY) tests/bench/sizing.py --shapes $(SHAPES) --workloads $(WORKLOADS)

.PHONY: bench-guides
bench-guides: setup-dev image ## Measure what the guides promise, before and after (half an hour; GUIDES="feed", QUICK=1 for a try)
	@tools/install-packages load
	@tools/as-root $(PY) tests/bench/guides.py --guides $(GUIDES) $(if $(QUICK),--quick)

.PHONY: bench-data
bench-data: setup-dev image ## Compare the stores with defaults and public tuners (half an hour; SECTIONS="postgres mysql" for some, QUICK=1 to try)
	@tools/install-packages load
	@tools/as-root $(PY) tests/bench/data.py --sections $(SECTIONS) $(if $(QUICK),--quick)

# --- linters ---------------------------------------------------------------------------------------------------

LINTERS := lint-yaml lint-ansible lint-python lint-changelog lint-docs sanity galaxy-import

.PHONY: lint
lint: setup-dev ## All linters; a finding of one does not keep the others from running
	@$(MAKE) --no-print-directory --keep-going $(LINTERS)

.PHONY: lint-yaml
lint-yaml: setup-dev
	@echo "==> yamllint"
	@yamllint --strict .

.PHONY: lint-ansible
lint-ansible: setup-dev
	@echo "==> ansible-lint"
	@ansible-lint --offline

.PHONY: lint-python
lint-python: setup-dev
	@echo "==> ruff and mypy"
	@ruff check .
	@ruff format --check .
	@mypy $(PYTHON_SOURCES)

.PHONY: lint-changelog
lint-changelog: setup-dev
	@echo "==> antsibull-changelog"
	@antsibull-changelog lint

.PHONY: docs
docs: setup ## Write docs/reference anew from what modules, roles and playbooks say of themselves
	@$(PY) tools/write_reference.py

.PHONY: lint-docs
lint-docs: setup-dev
	@echo "==> docs/reference"
	@$(PY) tools/write_reference.py --check

.PHONY: sanity
sanity: setup-dev ## ansible-test sanity alone
	@tools/sanity

.PHONY: galaxy-import
galaxy-import: setup-dev
	@tools/galaxy-import

.PHONY: format
format: setup-dev ## Let ruff format and repair the Python code
	@ruff check --fix .
	@ruff format .

# --- and away --------------------------------------------------------------------------------------------------

.PHONY: clean
clean: ## Remove the containers, network, images and the emulated board that the other targets made
	@[ ! -d $(BOARD) ] || { tools/as-root tests/board/stop $(BOARD); tools/as-root rm -rf $(BOARD); }
	@if command -v podman >/dev/null; then tools/as-root tools/remove-hosts; fi
