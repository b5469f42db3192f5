#!/usr/bin/env bash
# Times our decoding and prefill in turn with llama.cpp and ik_llama.cpp on the same GGUF files; one JSON line a file.
#
#   bench/decode.sh [--rounds 3] [--prompt-len 128] [--gen-len 64] [--prefill 512] FILE.gguf…
#
# llama.cpp comes from PEERS (default ~/.cache/shuyuan-peers, made by ../shared/peers/setup.sh); ik_llama.cpp from IK, a folder
# made by `pip install --no-deps --target IK ik-llama-cpp-python`, and is left out without it.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build -q --release >&2
python=${PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/shuyuan-peers}/bin/python
exec "$python" bench/decode.py --ours "${CARGO_TARGET_DIR:-target}/release/shuyuan" "$@"
