#!/usr/bin/env bash
# The window after one press of Generate, as a PNG:
#   tests/screenshot.sh OUT.png [--size WIDTHxHEIGHT] [--scale 2] [--theme light|dark] [--keys KEY…]
# --board shows the finished board "Which mode?" instead of the picture.
# --keys sends further keys (xdotool's names) before the picture is taken, such as --keys F1.
# Needs Xvfb, xdotool and ImageMagick, and the program built with `cargo build --release`.
set -euo pipefail
out=$(realpath "$1") size=1280x800 scale=1 theme=dark keys=() board=
shift
while [ $# -gt 0 ]; do
    case "$1" in
        --size) size=$2 && shift 2 ;;
        --scale) scale=$2 && shift 2 ;;
        --theme) theme=$2 && shift 2 ;;
        --board) board=1 && shift ;;
        --keys) shift && keys=("$@") && break ;;
        *) echo "unknown option $1" >&2 && exit 2 ;;
    esac
done
cd "$(dirname "$0")/.."
program="${CARGO_TARGET_DIR:-target}/release/instantstyle"
home=$(mktemp -d)
exec 3<> <(:)
Xvfb -displayfd 3 -screen 0 "${size}x24" -nolisten tcp -noreset 2>/dev/null &
server=$!
trap 'kill $server ${window:-} 2>/dev/null || true; rm -rf "$home"' EXIT
read -r -t 20 number <&3
export DISPLAY=":$number"
INSTANTSTYLE_HOME="$home" XDG_RUNTIME_DIR="$home" WAYLAND_DISPLAY= WINIT_X11_SCALE_FACTOR="$scale" "$program" &
window=$!
id=$(timeout 60 xdotool search --sync --onlyvisible --name "InstantStyle Studio" | head -1)
# Waits until the command says yes, for at most a minute and a half: a software renderer is slow at twice the size.
until_true() {
    for _ in $(seq 450); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.2
    done
    echo "waited too long: $*" >&2
    exit 1
}
xdotool windowsize --sync "$id" "${size%x*}" "${size#*x}" windowmove "$id" 0 0 windowfocus --sync "$id"
# The sample is open, and what is typed now arrives.
until_true compgen -G "$home/references/*"
sleep 2
# The theme by the palette of commands, as a hand would do it; the session tells when it has changed.
xdotool key ctrl+k
sleep 2
xdotool type --delay 120 "$theme theme"
sleep 2
xdotool key Return
until_true grep -q "\"theme\": *\"$theme\"" "$home/session.json"
xdotool key ctrl+Return
until_true compgen -G "$home/pictures/*.png"
until_true grep -q '"file"' "$home/session.json"
if [ -n "$board" ]; then
    # The first of the ready-made boards, by its keys; the pointer lies where nothing answers to it.
    xdotool mousemove "$((${size%x*} - 4))" "$((${size#*x} - 4))"
    for key in ctrl+b Tab Return; do
        xdotool key "$key"
        sleep 1.5
    done
    # Each cell is kept when it is finished.
    has_cells() { [ "$(compgen -G "$home/pictures/boards/*.png" | wc -l)" -ge 6 ]; }
    until_true has_cells
fi
for key in "${keys[@]}"; do
    xdotool key "$key"
    sleep 1.5
done
sleep 3 # the last frame, and what fades
# 256 colours are plenty for a window of greys, and a quarter of the bytes; of small pixels nobody sees the steps.
if [ "$scale" = 1 ]; then
    colours=(-dither FloydSteinberg -colors 256)
else
    colours=(+dither -colors 256)
fi
import -window root png:- | convert - "${colours[@]}" -strip "PNG8:$out"
