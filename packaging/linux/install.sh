#!/usr/bin/env bash
# Puts the program, its icon and its entry in the applications menu under a prefix (default: the user's own folders).
# After `cargo build --release`:   packaging/linux/install.sh [PREFIX] [PROGRAM]
set -euo pipefail
here="$(cd "$(dirname "$0")/../.." && pwd)"
prefix="${1:-$HOME/.local}"
program="${2:-${CARGO_TARGET_DIR:-$here/target}/release/instantstyle}"
[ -x "$program" ] || { echo "there is no program at $program; run \`cargo build --release\` first, or name it" >&2; exit 2; }
install -Dm755 "$program" "$prefix/bin/instantstyle"
install -Dm644 "$here/assets/icon/icon.png" "$prefix/share/icons/hicolor/256x256/apps/instantstyle.png"
install -Dm644 "$here/assets/icon/icon.svg" "$prefix/share/icons/hicolor/scalable/apps/instantstyle.svg"
install -Dm644 "$here/packaging/linux/instantstyle.desktop" "$prefix/share/applications/instantstyle.desktop"
echo "installed under $prefix; its bin folder must be on PATH"
