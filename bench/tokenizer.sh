#!/usr/bin/env bash
# Times our tokenizer's training and encoding beside rustbpe, tiktoken, riptoken and wordchipper; prints one JSON line.
#
#   bench/tokenizer.sh [--input FILES…] [--limit-mb 40] [--vocab 8192] [--rounds 3]
#
# Without --input: Chinese and English of ../shared/data/pretrain. The Python peers come from PEERS (default
# ~/.cache/shuyuan-peers, made by ../shared/peers/setup.sh); where some are missing, a small environment of its own is made.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
cache=${XDG_CACHE_HOME:-$HOME/.cache}
needed='import rustbpe, tiktoken, riptoken, zstandard'

python=${PEERS:-$cache/shuyuan-peers}/bin/python
if ! "$python" -c "$needed" 2>/dev/null; then
    venv=$cache/shuyuan-tokenizer-peers
    python=$venv/bin/python
    if ! "$python" -c "$needed" 2>/dev/null; then
        python3 -m venv "$venv" >&2
        "$python" -m pip -q install rustbpe==0.1.0 tiktoken==0.14.0 riptoken==0.2.4 zstandard >&2
    fi
fi

cargo build -q --release -p shuyuan-text --example bench --target-dir "$target" >&2
cargo build -q --release --manifest-path bench/wordchipper/Cargo.toml --target-dir "$cache/shuyuan-wordchipper" >&2

case " $* " in
*" --input "*) input=() ;;
*)
    data=../shared/data/pretrain
    input=(--input "$data"/{en_wikipedia,en_books,zh_classics_in_modern,zh_laws}.jsonl.zst)
    ;;
esac
exec "$python" bench/tokenizer.py --ours "$target/release/examples/bench" \
    --wordchipper "$cache/shuyuan-wordchipper/release/wordchipper-bench" "${input[@]}" "$@"
