#!/usr/bin/env bash
# The calls between ranks, made by real processes under mpirun: over shared memory and over TCP, by two and by three of them,
# and with one that falls silent. Needs openmpi-bin, libopenmpi-dev and libclang-dev.
set -euo pipefail
cd "$(dirname "$0")/../../.."
cargo clippy -q --release -p shuyuan-ranks --features mpi --all-targets -- -D warnings
cargo build -q --release -p shuyuan-ranks --features mpi --example check
check=${CARGO_TARGET_DIR:-target}/release/examples/check
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
run() { timeout 120 mpirun --oversubscribe "$@"; }
run -n 2 "$check"
run -n 3 --mca btl tcp,self "$check"
# mpirun fails, as one of its processes never comes to its end; rank 0 must have said why.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run -n 2 "$check" silent > "$log" 2>&1 && { echo "a silent rank went unnoticed" >&2; exit 1; }
grep -q "rank 0 noticed: another rank was silent for 2 s" "$log" || { cat "$log" >&2; exit 1; }
