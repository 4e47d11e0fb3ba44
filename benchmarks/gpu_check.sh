#!/usr/bin/env bash
# What can only be shown on a machine with an NVIDIA GPU, in at most 8 minutes: the tests marked gpu, and training against
# PyTorch on the same device, eager and as CUDA graphs.
# Run: benchmarks/gpu_check.sh [PYTHON] [FOLDER]; the figures are written to FOLDER (default gpu-check).
# It needs numpy, numba, numba-cuda and pytest; without PyTorch's CUDA build the comparison has minicnn's column only.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${1:-python} folder=${2:-gpu-check} failed=0
mkdir -p "$folder"
export PYTHONPATH=$PWD

part() {  # NAME SECONDS COMMAND...: run it within its seconds, keep what it says, and note how it ended
    local started=$SECONDS result=passed
    echo "+ $1: ${*:3}"
    timeout "$2" "${@:3}" 2>&1 | tee "$folder/$1.txt"
    [ "${PIPESTATUS[0]}" -eq 0 ] || { result=FAILED failed=1; }
    printf '| %s | %s | %d s |\n' "$1" $result $((SECONDS - started)) >>"$folder/parts.txt"
}

: >"$folder/parts.txt"
part machine 30 "$python" -m minicnn doctor
part tests 180 "$python" -m pytest -q -m gpu -n 0 tests
part training 240 "$python" benchmarks/train_bench.py --backend cuda --quick --json "$folder/training.json"
printf '| part | | seconds |\n|---|---|---|\n'
cat "$folder/parts.txt"
exit $failed
