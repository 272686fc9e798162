VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PACKAGES := informers reconcilers dittofs_operator
# Where and with what `make envtest` runs: which tests, and what their pods run (double or real).
SUITES ?= tests/integration tests/parity
SERVER ?= double
IMAGE ?= dittofs-operator:$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-14s %s\n", $$1, $$2}'

$(VENV)/.ready: requirements-dev.lock pyproject.toml
	@echo "making the environment in $(VENV) (once, about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock \
		|| { echo "the packages of requirements-dev.lock can't be had: check the network and pip's index, then make again" >&2; exit 2; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: env
env: $(VENV)/.ready ## Make the environment (.venv) from the lock files

.PHONY: demo
demo: env ## Run the whole thing here: a local cluster, the operator, a served share (ONCE=1: check it all and end)
	@$(BIN)/python -m hack.demo $(if $(ONCE),--once)

.PHONY: cluster
cluster: env ## Run the local cluster alone, in the foreground
	@$(BIN)/python -m hack.localcluster

.PHONY: lint
lint: env ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: test
test: lint ## Check everything: style, types, unit and integration tests on the local cluster (REQUIRE_REAL=1: and all real counterparts)
	$(BIN)/pytest

.PHONY: unit
unit: env ## Run the unit tests alone
	$(BIN)/pytest tests/unit

.PHONY: integration
integration: env ## Run all other tests on the local cluster (REQUIRE_REAL=1: and all real counterparts)
	$(BIN)/pytest tests --ignore=tests/unit

.PHONY: control-plane
control-plane: env ## Bring etcd, kube-apiserver and kube-controller-manager (the first time needs Go and ten minutes)
	@$(BIN)/python -m hack.controlplane control-plane

.PHONY: simulate
simulate: env ## Run the operator in simulated time under faults drawn from seeds (SEEDS=100, or SEED=42 to replay one)
	@$(BIN)/python -m hack.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),100))

.PHONY: envtest
envtest: control-plane ## Run the integration and parity tests on a real control plane (SERVER=real: with the real server in its pods)
	$(BIN)/pytest $(SUITES) --place=controlplane --server=$(SERVER)

.PHONY: e2e
e2e: env ## Tell the end-to-end scenarios on a kind cluster (needs docker and Go), or on KUBECONFIG with IMAGE
	@$(BIN)/python -m hack.endtoend

.PHONY: dfs
dfs: env ## Bring the real DittoFS server and its client (the first time needs Go)
	@$(BIN)/python -m hack.controlplane dfs

.PHONY: s3
s3: env ## Bring the S3 server of the tests (the first time needs Go)
	@$(BIN)/python -m hack.controlplane s3

.PHONY: bench
bench: env ## Measure the controller layer beside the official client, and hold it to its floors (two minutes)
	@$(BIN)/python -m hack.bench $(if $(JSON),--json)

.PHONY: scale
scale: env ## Make many shares beside a local cluster and tell what they cost (INSTANCES=50 SHARES=1000; REAL=1: the real server, HUNG=1: one of them hangs)
	@$(BIN)/python -m hack.scale $(if $(INSTANCES),--instances $(INSTANCES)) $(if $(SHARES),--shares $(SHARES)) $(if $(REAL),--real) $(if $(HUNG),--hung)

.PHONY: bench-archive
bench-archive: env ## Measure an archive beside tar and zstd of the same files (FILES=10000 MIB=5000 ROUNDS=3)
	@$(BIN)/python -m hack.archivebench --files $(or $(FILES),10000) --mib $(or $(MIB),5000) --rounds $(or $(ROUNDS),3)

.PHONY: manifests
manifests: env ## Write manifests/ anew from the code
	$(BIN)/python -m dittofs_operator.manifests

.PHONY: lock
lock: env ## Resolve the dependencies anew into the lock files (needs uv)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --group dev pyproject.toml -o requirements-dev.lock

.PHONY: image
image: ## Build the operator's container image (needs docker)
	docker build --tag $(IMAGE) .
