#!/usr/bin/env bash
# Times our training step in turn with PyTorch's fastest (compiled, memory kept, bf16 where the processor multiplies it, see
# f32.py); prints one JSON line a shape.
#
#   bench/train.sh [--optimizer adamw|muon] [--rounds 3] [--steps 7] [--batch 8] [--seq 512] [CONFIG…]
#
# CONFIG: config.json files; without, ../shared/peers/configs/2m.json and 26m.json. PyTorch comes from PEERS (default
# ~/.cache/shuyuan-peers, made by ../shared/peers/setup.sh) and is first compiled in a run of its own that is not counted.
# limits.py measures the matmul peak just before each shape.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build -q --release >&2
peers=../shared/peers
python=${PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/shuyuan-peers}/bin/python
if ! "$python" -c 'import torch' 2>/dev/null; then
    echo "bench/train.sh: no PyTorch at $python: run $peers/setup.sh --no-llama first" >&2
    exit 1
fi
exec "$python" bench/train.py --ours "${CARGO_TARGET_DIR:-target}/release/shuyuan" --peers "$peers" "$@"
