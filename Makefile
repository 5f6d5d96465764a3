# The commands of this repository. Each installs what it needs and the machine lacks (Debian, Ubuntu) or says
# what is missing.
#
#   make run      the gateway with three demo services, ready to try; STORE=etcd: on an etcd of its own
#   make test     everything that is checked: format, lints, docs, all tests
#   make check    the same without running tests
#   make faults   the fault lab in earnest, a quarter of an hour: one thing after another goes wrong with etcd under full load
#   make bench    ours beside bare Pingora, nginx and HAProxy; ARGS="--seconds 1 --rounds 3 --target ours,nginx"
#   make audit    licences, sources and unused dependencies
#   make fuzz     every fuzz target for SECONDS (60) each
#   make ui       the web page

ARGS ?=
STORE ?= file
SECONDS ?= 60
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# rustup puts programs where a shell that was open before does not look.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
BUILD_NEEDS := cargo cc cmake protoc
TEST_NEEDS := etcd faketime

.PHONY: run test check faults bench audit fuzz ui

# `quick` is the release profile without link-time optimisation: a first look should not take the minutes that
# only figures need.
run:
	@.ci/need $(BUILD_NEEDS) $(filter etcd,$(STORE))
	@cargo build --locked --profile quick --package gateway --bins
	@exec $(if $(filter etcd,$(STORE)),.ci/with-etcd) $(TARGET_DIR)/quick/gateway --quickstart $(if $(filter etcd,$(STORE)),--etcd)

check:
	@.ci/need $(BUILD_NEEDS)
	@cargo fmt --all --check
	@cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
	@RUSTDOCFLAGS=-Dwarnings cargo doc --locked --workspace --no-deps --quiet

# Documentation tests first: nextest does not run them, and its summary belongs at the end.
test: check
	@.ci/need $(TEST_NEEDS)
	@cargo test --locked --workspace --doc --quiet
	@if cargo nextest --version >/dev/null 2>&1; \
	then cargo nextest run --locked --workspace; \
	else cargo test --locked --workspace --lib --bins --tests --quiet; fi

# `make test` runs the same scenarios for a moment each. One at a time, since they measure.
faults:
	@.ci/need $(BUILD_NEEDS) $(TEST_NEEDS)
	@FAULTS=full cargo test --locked --release --package gateway --test faults --quiet -- --nocapture --test-threads 1

# Figures are taken from release builds only.
bench:
	@.ci/need $(BUILD_NEEDS) taskset
	@cargo bench --locked --package gateway --bench load -- $(ARGS)

# Advisories are not asked for: their database is a download of its own. `cargo deny check` asks.
audit:
	@.ci/need cargo cargo-deny cargo-machete
	@cargo deny --locked check bans licenses sources
	@cargo machete

# The sanitizers are switched on by an unstable flag, which the stable compiler takes with RUSTC_BOOTSTRAP.
fuzz:
	@.ci/need $(BUILD_NEEDS) cargo-fuzz
	@set -e; export RUSTC_BOOTSTRAP=1; for target in $$(cargo fuzz list --fuzz-dir tests/fuzz); do \
	  cargo fuzz run --fuzz-dir tests/fuzz $$target -- -max_total_time=$(SECONDS); done

ui:
	@echo "There is no web page yet." >&2; exit 1
