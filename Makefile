# Lodur's commands. `make help` lists them; nothing here needs more than Python, Rust, a C compiler and make.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
UV := .uv/bin/uv
STAMPS := .cache/stamps
export CARGO_TARGET_DIR ?= $(CURDIR)/rust/target

# Trust the authorities that the machine trusts, as pip and cargo do.
export UV_SYSTEM_CERTS ?= 1

# The tests start Lodur some hundred times, and pytest rewrites each of their modules in each process. Where the
# environment forbids bytecode (as images of containers do), half of every start would be the compiler's.
unexport PYTHONDONTWRITEBYTECODE

# One optimised profile for the extension, the wheel and the Rust tests: dependencies are compiled once.
CARGO_FLAGS := --release --locked --manifest-path rust/Cargo.toml

# Each process of the tests starts servers of its own: more of them wait for each other, and deadlines pass.
TEST_PROCESSES_MAX := 4

RUST_SOURCES := rust/Cargo.toml rust/Cargo.lock $(shell find rust -name '*.rs' -not -path 'rust/target/*') $(wildcard rust/*/Cargo.toml)
PYTHON_SOURCES := lodur tests scripts $(wildcard bench)

# Two targets at a time, for each has stretches of one processor or of none; what a command says comes when it is done.
# Where make was called with -j, that counts.
side_by_side = $(if $(findstring jobserver,$(MAKEFLAGS)),,--jobs=$(or $(JOBS),2)) \
  $(if $(filter output-sync,$(.FEATURES)),--output-sync=line)

step = @printf '\033[1m==> %s\033[0m\n' "$(1)" >&2

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMPS)/extension ## build everything into .venv; leaves .venv/bin/lodur

.PHONY: run
run: setup ## set up, then start a server on port 3100 and an agent that ships this machine's logs into it
	@exec $(BIN)/lodur dev

.PHONY: test
test: ## everything CI runs: checks, Rust tests, all Python tests (JOBS=1: one after the other)
	@$(MAKE) $(side_by_side) setup test-servers
	@$(MAKE) $(side_by_side) check test-rust
	$(call step,Python tests)
	@$(BIN)/python -m pytest -n $(or $(JOBS),auto) --maxprocesses $(TEST_PROCESSES_MAX) --dist loadfile --no-loadscope-reorder

.PHONY: check
check: check-format check-types check-layers check-rust ## formatting, lint, types, layers; Python and Rust (-k goes on after a failure)

.PHONY: check-format
check-format: setup
	$(call step,format and lint)
	@$(BIN)/ruff check --quiet $(PYTHON_SOURCES)
	@$(BIN)/ruff format --check --quiet $(PYTHON_SOURCES)
	@cargo fmt --manifest-path rust/Cargo.toml --all --check

.PHONY: check-types
check-types: setup
	$(call step,types)
	@$(BIN)/mypy
	@$(BIN)/stubtest lodur.kernels._native --allowlist tests/stubtest.allow

.PHONY: check-layers
check-layers: setup
	$(call step,layers)
	@$(BIN)/lint-imports --no-logo

.PHONY: check-rust
check-rust:
	$(call step,clippy)
	@cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings

.PHONY: test-rust
test-rust: ## the Rust tests alone
	$(call step,Rust tests)
	@cargo test $(CARGO_FLAGS) --workspace

.PHONY: test-servers
test-servers: $(STAMPS)/packages ## build and fetch the servers and clients that the tests start; what needs one that is not to be had is skipped
	$(call step,test servers and clients)
	@$(BIN)/python -m scripts.install_test_servers || echo 'the tests that need it will be skipped' >&2
	@$(BIN)/python -m scripts.install_alertmanager || echo 'the tests that need it will be skipped' >&2
	@$(BIN)/python -m scripts.install_test_clients || echo 'their tests will be skipped' >&2

.PHONY: test-clients
test-clients: setup ## install the clients that take minutes (collector, Promtail, Alloy, logcli, Azurite and so on), and test all clients
	$(call step,test clients)
	@$(BIN)/python -m scripts.install_test_clients --all || echo 'their tests will be skipped' >&2
	@$(BIN)/python -m pytest tests/system/clients tests/system/test_azure_server.py

.PHONY: fmt
fmt: $(STAMPS)/packages ## format and repair what the tools can repair
	@$(BIN)/ruff check --fix-only --quiet $(PYTHON_SOURCES)
	@$(BIN)/ruff format --quiet $(PYTHON_SOURCES)
	@cargo fmt --manifest-path rust/Cargo.toml --all

.PHONY: bench
bench: setup ## measure ingest, size and queries, beside calibrations of this machine
	@$(BIN)/python -m bench

.PHONY: soak
soak: setup ## ten thousand histories of a store with faults, and a tenth of logs in a store; SEEDS and FIRST choose others
	@$(BIN)/python -m tests.faults --seeds $(or $(SEEDS),10000) --first $(or $(FIRST),1)
	@$(BIN)/python -m tests.faults --object-wal --seeds $(or $(LOG_SEEDS),1000) --first $(or $(FIRST),1)

.PHONY: wheel
wheel: $(STAMPS)/packages ## build an abi3 wheel into dist/
	@$(BIN)/maturin build --release --locked --interpreter $(BIN)/python --out dist

.PHONY: lock
lock: $(UV) ## choose the versions of all Python packages anew
	@for group in bootstrap go; do \
	  $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' \
	    --upgrade requirements/$$group.in --output-file requirements/$$group.txt || exit 1; \
	done
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' \
	  --upgrade pyproject.toml --group dev --output-file requirements/dev.txt
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' \
	  --constraint requirements/dev.txt pyproject.toml --output-file requirements/runtime.txt

.PHONY: clean
clean: ## remove all that was built; ./data stays
	@rm -rf .venv .uv .cache dist rust/target lodur/kernels/_native*.so
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(UV): requirements/bootstrap.txt
	$(call step,toolchain)
	@python=$$(scripts/toolchain) && "$$python" -m venv --clear .uv
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(STAMPS)/packages: requirements/dev.txt $(UV)
	$(call step,Python packages)
	@test -x $(BIN)/python || $(UV) venv --quiet --python .uv/bin/python $(VENV)
	@$(UV) pip sync --python $(BIN)/python --require-hashes requirements/dev.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/extension: $(STAMPS)/packages pyproject.toml $(RUST_SOURCES)
	$(call step,Rust extension (the first build takes some minutes))
	@scripts/toolchain >/dev/null
	@PATH="$(CURDIR)/.uv/bin:$$PATH" VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/maturin develop --release --locked --uv
	@touch $@
