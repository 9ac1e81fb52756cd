#!/usr/bin/env bash
# Runs the kernels' own tests for 64-bit Arm in an emulator, NEON among them: tests/neon.sh [FOLDER]
#
# Needs: rustup target add aarch64-unknown-linux-gnu
#        apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
# The room stands alone in a small package, made in FOLDER: the whole program would bring the window's libraries along.
set -euo pipefail
repo=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$(mktemp -d)}
mkdir -p "$folder/src"
folder=$(cd "$folder" && pwd)
cp "$repo/Cargo.lock" "$folder"
{
    printf '[package]\nname = "kernels"\nversion = "0.1.0"\nedition = "2024"\n[dependencies]\n'
    grep -E '^(candle-core|candle-nn|half|gemm|rayon) = ' "$repo/Cargo.toml"
} > "$folder/Cargo.toml"
printf '#[path = "%s/src/kernels/mod.rs"]\npub mod kernels;\n' "$repo" > "$folder/src/lib.rs"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
cd "$folder"
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$folder/target}" cargo test --release --lib --target aarch64-unknown-linux-gnu
