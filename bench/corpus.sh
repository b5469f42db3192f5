#!/usr/bin/env bash
# Times corpus building against datatrove on the same documents, and its memory on 50 MB against 450 MB.
# Prints one line of JSON; progress goes to standard error.
set -euo pipefail

usage() {
    cat <<'TXT'
Usage: bench/corpus.sh [--limit-mb N] [--no-peer]

  --limit-mb N  so much text of each language for the comparison (default: 20)
  --no-peer     without datatrove, which takes two minutes at 20 MB

Environment:
  SHARED        the folder with data/pretrain and peers (default: ../shared beside this repository)
  PEERS_VENV    the Python environment made by peers/setup.sh (default: ~/.cache/shuyuan-peers)
TXT
}

limit=20
peer=1
while [ $# -gt 0 ]; do
    case "$1" in
        --limit-mb) limit=$2; shift 2 ;;
        --no-peer) peer=0; shift ;;
        -h|--help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done

root=$(cd "$(dirname "$0")/.." && pwd)
shared=$(realpath "${SHARED:-$root/../shared}")
data=$shared/data/pretrain
python=${PEERS_VENV:-$HOME/.cache/shuyuan-peers}/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo build --release --quiet --manifest-path "$root/Cargo.toml" -p shuyuan-corpus --example corpus_speed
ours=${CARGO_TARGET_DIR:-$root/target}/release/examples/corpus_speed

declare -A inputs=([en]="$data/en_wikipedia.jsonl.zst $data/en_books.jsonl.zst"
                   [zh]="$data/zh_classics_in_modern.jsonl.zst $data/zh_laws.jsonl.zst")
for lang in en zh; do
    # shellcheck disable=SC2086  # several paths
    "$ours" tokenizer "$work/tok-$lang" 8192 ${inputs[$lang]} >&2
done

theirs=null
if [ "$peer" = 1 ]; then
    # shellcheck disable=SC2086
    theirs=$("$python" "$shared/peers/corpus_bench.py" --limit-mb "$limit" --work "$work/peer" \
        --en ${inputs[en]} --zh ${inputs[zh]} 2>"$work/peer.log" | tail -1) || { tail -5 "$work/peer.log" >&2; exit 1; }
    for lang in en zh; do
        "$ours" build "$work/$lang" "$work/tok-$lang" --web "$work/peer/$lang/input" >"$work/$lang.json"
    done
else
    for lang in en zh; do
        # shellcheck disable=SC2086
        "$ours" build "$work/$lang" "$work/tok-$lang" --web --limit $((limit * 500000)) ${inputs[$lang]} >"$work/$lang.json"
    done
fi

# Memory: 50 MB in two languages, and all of the pretraining data.
"$ours" tokenizer "$work/tok" 8192 "$data"/*.jsonl.zst >&2
"$ours" build "$work/small" "$work/tok" --limit 25000000 "$data/en_books.jsonl.zst" "$data/zh_classics_in_modern.jsonl.zst" \
    >"$work/small.json"
"$ours" build "$work/large" "$work/tok" "$data"/*.jsonl.zst >"$work/large.json"

"$python" - "$work" "$theirs" <<'PY'
import json
import sys

work, theirs = sys.argv[1], json.loads(sys.argv[2])
read = lambda name: json.load(open(f"{work}/{name}.json"))
line = {"bench": "corpus", "ours": {lang: read(lang) for lang in ("en", "zh")}, "theirs": theirs}
if theirs:
    line["times_faster"] = {
        lang: round(theirs[lang]["seconds"]["all"] / line["ours"][lang]["seconds"]["all"], 1) for lang in ("en", "zh")
    }
line["memory"] = [{k: read(name)[k] for k in ("bytes", "documents", "peak_rss_mib", "mb_per_s")} for name in ("small", "large")]
for lang in ("en", "zh"):
    del line["ours"][lang]["dropped"]
print(json.dumps(line))
PY
