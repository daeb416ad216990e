# What is done often, each as one command. `just` is a convenience: every recipe is a
# line that can be typed without it, and CI calls the same scripts.

# List the recipes.
default:
    @just --list

# Everything that must be green before a change is shared: format, clippy, documentation, all tests.
verify:
    scripts/verify

# The core's own tests, for the turn of editing and testing.
quick:
    cargo test -p anabranch-engine --lib

# All tests, documentation examples included, as the README runs them.
test:
    cargo test --workspace

# The examples in the documentation only.
doctest:
    cargo test --workspace --doc

# The tidy test: lengths, citations, links, purity gate.
tidy:
    cargo test -p anabranch --test tidy

# The purity gate alone.
purity:
    cargo test -p anabranch --test tidy purity

# Format everything.
fmt:
    cargo fmt --all

# Whether everything is formatted.
fmt-check:
    cargo fmt --all --check

# All lints, as errors.
clippy:
    cargo clippy --workspace --all-targets -- -D warnings

# The documentation of the code, with warnings as errors.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Rewrite what golden tests expect; look at the difference before committing it.
bless:
    UPDATE_EXPECT=1 cargo test --workspace

# Look for input that breaks a promise: `just fuzz`, `just fuzz runs=5000 sql_text`.
fuzz *ARGS:
    scripts/fuzz {{ARGS}}

# The simulator for long, on seeds of the commit: `just sim-night`, `just sim-night seeds=50 time=60s`.
sim-night *ARGS:
    scripts/sim-night {{ARGS}}

# A thousand seeds in a debug and in a release build: their traces must be the same.
sim-twins *ARGS:
    scripts/sim-twins {{ARGS}}

# Start or stop a real service by hand: `just services redis start DIR PORT`.
services *ARGS:
    scripts/services {{ARGS}}

# The benchmarks.
bench:
    cargo bench --workspace

# The example job of the README.
flights:
    cargo run --profile quick -- run examples/flights/flights.sql
