# Thin lines over CMake presets (CMakePresets.json) and scripts. Bare `make` explains them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

JOBS ?= $(shell nproc)
CYCLES ?= 1000
SECONDS ?= 60
LISTEN ?= 127.0.0.1:8080
DATA_DIR ?= $(or $(XDG_DATA_HOME),$(HOME)/.local/share)/openagents

PACKAGES := cmake/install-packages.sh
PYTHON := cmake/python
DEV := cmake --preset dev >/dev/null && cmake --build --preset dev -j $(JOBS)
RELEASE := cmake --preset release >/dev/null && cmake --build --preset release -j $(JOBS)
CTEST := ctest --preset dev -j $(JOBS)

.PHONY: help
help:  ## this list
	@awk -F ':[^#]*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9 -]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

##@ Use
.PHONY: run demo cluster cluster-down deploy
run:  ## build the runtime and start it here with one agent (LISTEN=127.0.0.1:8080 DATA_DIR=...)
	@$(PACKAGES) build
	@$(RELEASE) --target agent-runtime
	@$(PYTHON) examples/run.py --runtime build/release/runtime-pod/agent-runtime --listen $(LISTEN) --data-dir "$(DATA_DIR)"

demo:  ## a narrated tour of the runtime: talk to an agent, kill -9, nothing is lost
	@$(PACKAGES) build
	@$(RELEASE) --target agent-runtime
	@$(PYTHON) examples/demo.py --runtime build/release/runtime-pod/agent-runtime

cluster:  ## start a Kubernetes cluster on this machine (root); prints the export line for KUBECONFIG
	@$(PACKAGES) e2e
	@$(PYTHON) e2e/cluster/cluster.py up

cluster-down:  ## stop it, and leave nothing of it behind
	@$(PYTHON) e2e/cluster/cluster.py down

deploy:  ## build the images and install the operator into that cluster, or into KUBECONFIG's
	@$(PACKAGES) build e2e
	@$(PYTHON) deploy/deploy.py

.PHONY: cuda
cuda:  ## bring the CUDA toolkit (no root, no GPU needed) and configure the cuda preset with it
	@$(PACKAGES) build
	@cmake/install-cuda.sh
	@cmake --preset cuda --log-level=STATUS

##@ Test
.PHONY: test unit integration e2e soak asan tsan fuzz bench
test:  ## everything: unit, integration, e2e
	@$(PACKAGES) build test fuzz e2e
	@$(DEV)
	@$(CTEST) -L '^(unit|integration|e2e)$$'

unit:  ## pure and fast; needs neither root nor a cluster
	@$(PACKAGES) build test
	@$(DEV) --target unit_tests
	@$(CTEST) -L '^unit$$'

integration:  ## real processes, sockets and disks; needs neither root nor a cluster
	@$(PACKAGES) build test fuzz
	@$(DEV)
	@$(CTEST) -L '^integration$$'

e2e:  ## real pods: on a cluster of its own (root), or on KUBECONFIG's
	@$(PACKAGES) build test e2e
	@$(DEV)
	@$(CTEST) -L '^e2e$$'

soak:  ## load it, end it at random and look whether all is there, CYCLES=1000 times
	@$(PACKAGES) build test
	@$(DEV) --target agent-runtime crash_shim
	@CRASH_CYCLES=$(CYCLES) ctest --preset dev --verbose -L '^soak$$'

asan tsan:  ## the unit tests under sanitizers
	@$(PACKAGES) build test
	@cmake --preset $@ >/dev/null && cmake --build --preset $@ -j $(JOBS) --target unit_tests
	@ctest --preset $@ -j $(JOBS) -L '^unit$$'

fuzz:  ## feed every parser of foreign bytes what a fuzzer makes up, for SECONDS=60 each
	@$(PACKAGES) build fuzz
	@tests/fuzz/run.sh $(SECONDS)

bench:  ## measure memory and latency of a release build (root, for the cluster)
	@$(PACKAGES) build e2e bench
	@$(RELEASE)
	@$(PYTHON) tests/bench/bench.py --build build/release

##@ Keep clean
.PHONY: lint fmt crd clean
lint:  ## layers, headers, formatting, sizes, links, generated files
	@$(PACKAGES) build lint test
	@$(DEV) --target header_checks openagents-crdgen
	@$(CTEST) -L '^lint$$'

fmt:  ## format the C++ files
	@$(PACKAGES) lint
	@git ls-files -co --exclude-standard '*.cc' '*.h' | xargs clang-format-14 -i

crd:  ## write crds/agent.yaml from the table in core/agent_schema.cc
	@$(PACKAGES) build test
	@$(DEV) --target openagents-crdgen
	@build/dev/operator/openagents-crdgen > build/agent.yaml && mv build/agent.yaml crds/agent.yaml

clean:  ## remove everything built here (not the caches in the home directory)
	@rm -rf build
