#!/usr/bin/env bash
# Builds the kernels' tests for aarch64 and runs those of inference in QEMU, on any Debian machine: whether NEON computes what
# the oracles do. It says nothing about speed.
#
#   crates/kernels/tests/aarch64.sh [TEST…]
#
# rustup has the target's library where it can download it; here compiler and library come from Debian.
set -euo pipefail
cd "$(dirname "$0")/../../.."
if ! command -v qemu-aarch64 >/dev/null || [ ! -x /usr/bin/rustc ] || ! command -v aarch64-linux-gnu-gcc >/dev/null; then
    dpkg --add-architecture arm64
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        rustc-web libstd-rust-web-dev:arm64 gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user >/dev/null
fi
# Not the cross compiler's libc under /usr/aarch64-linux-gnu, which is older than its own loader in Debian 12: threads hang.
export RUSTC=/usr/bin/rustc CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/aarch64}
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu max"
# The oracles of training take long there.
[ $# -gt 0 ] || set -- matrix:: simd:: paged:: layer:: quant:: matmul:: nearest
exec cargo test --release --target aarch64-unknown-linux-gnu -p shuyuan-kernels --lib -- "$@"
