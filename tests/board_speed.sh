#!/usr/bin/env bash
# A board of 25 cells against 25 single renders of the same cells, on the built-in model: tests/board_speed.sh PROGRAM
# Prints seconds per cell of both, their ratio, and the runs of the encoders. Nothing else should run meanwhile.
set -euo pipefail
program=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
export INSTANTSTYLE_HOME="$folder/home"
reference="$(dirname "$0")/../assets/builtin/sample_reference.png"
strengths=(0.2 0.4 0.6 0.8 1) layouts=(0.2 0.4 0.6 0.8 1)
common=(--reference "$reference" --subtract "a fish" --mode style-layout --prompt "a house" --seed 7)
list() { local IFS=,; echo "$*"; }
seconds() { date +%s.%N; }

begun=$(seconds)
board=$("$program" board "${common[@]}" --x "strength=$(list "${strengths[@]}")" --y "layout-strength=$(list "${layouts[@]}")" \
    --cells "$folder/cells" --out "$folder/board.png" --json)
middle=$(seconds)
for row in "${!layouts[@]}"; do
    for column in "${!strengths[@]}"; do
        "$program" render "${common[@]}" --strength "${strengths[column]}" --layout-strength "${layouts[row]}" \
            --out "$folder/single-r0$((row + 1))-c0$((column + 1)).png" 2>/dev/null
    done
done
ended=$(seconds)
python3 - "$board" "$begun" "$middle" "$ended" "$folder" <<'END'
import json, pathlib, sys
board, begun, middle, ended = json.loads(sys.argv[1]), *map(float, sys.argv[2:5])
folder = pathlib.Path(sys.argv[5])
per_cell, single = (middle - begun) / 25, (ended - middle) / 25
same = sum((folder / f"cells/cell-{name}.png").read_bytes() == (folder / f"single-{name}.png").read_bytes()
           for name in (f"r0{row}-c0{column}" for row in range(1, 6) for column in range(1, 6)))
print(f"board: {per_cell:.3f} s a cell; single renders: {single:.3f} s each; ratio {per_cell / single:.2f}")
print(f"encoder runs: {board['encoder_runs']} for the board; keys and values of {board['key_value_runs']} blocks; "
      f"{same} of 25 files are byte for byte those of single renders")
END
