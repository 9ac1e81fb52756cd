#!/usr/bin/env bash
# The window after one press of Generate, as a PNG: tests/screenshot.sh OUT.png [WIDTHxHEIGHT]
# Needs Xvfb, xdotool and ImageMagick, and the program built with `cargo build --release`.
set -euo pipefail
out=$(realpath "$1") size=${2:-1280x800}
cd "$(dirname "$0")/.."
program="${CARGO_TARGET_DIR:-target}/release/instantstyle"
home=$(mktemp -d)
exec 3<> <(:)
Xvfb -displayfd 3 -screen 0 "${size}x24" -nolisten tcp -noreset 2>/dev/null &
server=$!
trap 'kill $server ${window:-} 2>/dev/null || true; rm -rf "$home"' EXIT
read -r -t 20 number <&3
export DISPLAY=":$number"
INSTANTSTYLE_HOME="$home" XDG_RUNTIME_DIR="$home" WAYLAND_DISPLAY= "$program" &
window=$!
id=$(timeout 60 xdotool search --sync --onlyvisible --name "InstantStyle Studio" | head -1)
xdotool windowsize --sync "$id" "${size%x*}" "${size#*x}" windowmove "$id" 0 0 windowfocus --sync "$id"
xdotool key ctrl+Return
for _ in $(seq 600); do
    compgen -G "$home/pictures/*.png" >/dev/null && break
    sleep 0.1
done
compgen -G "$home/pictures/*.png" >/dev/null || { echo "no picture came out" >&2; exit 1; }
sleep 1 # the last frame
import -window root "$out"
