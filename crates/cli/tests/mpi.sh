#!/usr/bin/env bash
# Two real ranks under mpirun learn what one with all rows learns; one that is killed ends the run at a checkpoint, from which
# one and three go on. As root, two learn the same as jobs of a Slurm of our own (where Debian's slurm-wlm is), and two in
# network namespaces of their own over the wire between them.
#
#   crates/cli/tests/mpi.sh [SHUYUAN]      the program, built with --features mpi; without, it is built here
#
# Not in CI, since the feature has most crates built again: there crates/ranks/tests/mpi.sh makes the calls between real
# processes, and crates/train/tests/ranks.rs what is made of them.
set -euo pipefail
shuyuan=$(realpath "${1:-/dev/null}")
cd "$(dirname "$0")/../../.."
if [ "$shuyuan" = /dev/null ]; then
    cargo build --release --features mpi
    shuyuan=$(realpath "${CARGO_TARGET_DIR:-target}/release/shuyuan")
fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
dir=$(mktemp -d)
clean() {
    for pid in slurm/*.pid; do [ ! -e "$pid" ] || kill "$(cat "$pid")" 2>/dev/null || true; done
    rm -rf "$dir"
    for namespace in rank0 rank1; do ip netns del "shuyuan-$namespace" 2>/dev/null || true; done
}
trap clean EXIT
trap 'echo "failed in line $LINENO" >&2' ERR
cd "$dir"
"$shuyuan" corpus world --seed 1 --docs 300 --split train --output world.jsonl >/dev/null 2>&1
"$shuyuan" tokenizer train --input world.jsonl --vocab-size 600 --output tok >/dev/null 2>&1
"$shuyuan" corpus build --input world.jsonl --tokenizer tok --output corpus >/dev/null 2>&1

recipe() { # NAME ROWS: AdamW in f32, so that sums in another order are all that may differ
    printf '%s\n' '[model]' 'hidden_size = 64' 'intermediate_size = 128' 'num_hidden_layers = 2' 'num_attention_heads = 4' \
        'num_key_value_heads = 2' 'head_dim = 16' 'max_position_embeddings = 256' '[train]' "batch = $2" 'tokens = 128' \
        'steps = 40' 'precision = "f32"' 'checkpoint_every = 1000' 'validate_every = 0' \
        '[optimizer]' 'kind = "adamw"' 'warmup_steps = 5' 'matrix_lr = 0.003' 'embedding_lr = 0.003' 'norm_lr = 0.003' > "$1"
}
recipe eight.toml 8
recipe four.toml 4
sed -i 's/^steps = 40/steps = 4000/' four.toml
train="pretrain --corpus corpus --home $dir/home"
ranks="$shuyuan $train --mpi --recipe four.toml"

compare() { # A B: the losses of both runs, step by step
    python3 - "$1" "$2" <<'PY'
import json, sys
a, b = ([json.loads(line) for line in open(f"{run}/metrics.jsonl")] for run in sys.argv[1:])
assert len(a) == len(b) == 40, (len(a), len(b))
assert a[-1]["tokens"] == b[-1]["tokens"] and a[-1]["loss"] < 0.8 * a[0]["loss"], (a[-1], b[-1])
off = max(abs(x[key] - y[key]) / x[key] for x, y in zip(a, b) for key in ("loss", "grad_norm"))
print(f"{sys.argv[1]} and {sys.argv[2]}: losses and gradient norms of 40 steps differ by {off:.1e}")
assert off < 1e-4
PY
}
step() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1] + "/checkpoint/state.json"))["step"])' "$1"; }
rank_of() { tr '\0' '\n' < "/proc/$1/environ" 2>/dev/null | sed -n 's/^OMPI_COMM_WORLD_RANK=//p'; }

# shellcheck disable=SC2086
"$shuyuan" $train --recipe eight.toml --output one >/dev/null 2>&1
# shellcheck disable=SC2086
mpirun -n 2 --oversubscribe $ranks --steps 40 --output two >/dev/null 2>&1
compare one two

# shellcheck disable=SC2086
mpirun -n 2 --oversubscribe $ranks --output killed > killed.log 2>&1 &
job=$!
until [ "$(cat killed/metrics.jsonl 2>/dev/null | wc -l)" -ge 30 ]; do sleep 0.05; done
for pid in $(pgrep -f -- "--mpi --recipe four.toml --output killed"); do
    if [ "$(rank_of "$pid")" = 1 ]; then kill -9 "$pid"; fi
done
if wait "$job"; then echo "mpirun did not fail" >&2; exit 1; fi
grep -q "The run is saved at step" killed.log || { cat killed.log >&2; exit 1; }
saved=$(step killed)
[ "$saved" = "$(wc -l < killed/metrics.jsonl)" ]
cp -r killed again
# shellcheck disable=SC2086
"$shuyuan" $train --recipe four.toml --resume --output killed --steps $((saved + 10)) >/dev/null 2>&1
# shellcheck disable=SC2086
mpirun -n 3 --oversubscribe $ranks --resume --output again --steps $((saved + 10)) >/dev/null 2>&1
for run in killed again; do [ "$(step $run)" = $((saved + 10)) ]; done
echo "rank 1 killed: saved at step $saved; one rank and three went on from there"

if [ "$(id -u)" = 0 ] && command -v slurmctld >/dev/null && command -v munged >/dev/null; then
    # Two nodes, both this host.
    export SLURM_CONF=$dir/slurm/slurm.conf
    mkdir slurm
    head -c 64 /dev/urandom > slurm/key
    chmod 400 slurm/key
    printf '%s\n' 'ClusterName=here' "SlurmctldHost=$(hostname)(127.0.0.1)" 'SlurmUser=root' 'SlurmdUser=root' \
        'AuthType=auth/munge' "AuthInfo=socket=$dir/slurm/munge" "StateSaveLocation=$dir/slurm" 'ReturnToService=2' \
        "SlurmdSpoolDir=$dir/slurm/spool.%n" "SlurmctldPidFile=$dir/slurm/ctld.pid" "SlurmdPidFile=$dir/slurm/%n.pid" \
        "SlurmctldLogFile=$dir/slurm/ctld.log" "SlurmdLogFile=$dir/slurm/%n.log" 'ProctrackType=proctrack/linuxproc' \
        'TaskPlugin=task/none' \
        "NodeName=n1 NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=17001 CPUs=2" \
        "NodeName=n2 NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=17002 CPUs=2" \
        'PartitionName=main Nodes=n1,n2 Default=YES State=UP' > "$SLURM_CONF"
    munged --force --socket="$dir/slurm/munge" --key-file="$dir/slurm/key" --pid-file="$dir/slurm/munged.pid" \
        --log-file="$dir/slurm/munged.log" --seed-file="$dir/slurm/seed" 2>/dev/null
    slurmctld && slurmd -N n1 && slurmd -N n2
    until [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = 2 ]; do sleep 0.2; done
    printf '%s\n' '#!/bin/sh' "mpirun $ranks --steps 40 --output batch" > job.sh
    sbatch --wait -N 2 --ntasks-per-node=1 -o batch.log job.sh >/dev/null || { cat batch.log >&2; exit 1; }
    compare one batch
    # On one of them: what PMIx keeps for two nodes would lie in the same place.
    # shellcheck disable=SC2086
    srun --mpi=pmix -N 1 -n 2 $ranks --steps 40 --output srun >/dev/null 2>&1
    compare one srun
    for pid in slurm/*.pid; do kill "$(cat "$pid")"; done
else
    echo "not root, or no Slurm: its jobs were not tried"
fi

if [ "$(id -u)" != 0 ] || ! ip netns add shuyuan-rank0 2>/dev/null; then
    echo "not root: the network namespaces were not tried"
    exit
fi
ip netns add shuyuan-rank1
ip link add wire0 netns shuyuan-rank0 type veth peer name wire1 netns shuyuan-rank1
for rank in 0 1; do
    ip -n shuyuan-rank$rank addr add 10.99.0.$((rank + 1))/24 dev wire$rank
    ip -n shuyuan-rank$rank link set wire$rank up
    ip -n shuyuan-rank$rank link set lo up
done
# What mpirun calls in the place of ssh, with HOST COMMAND… (options of ssh come before where it is called so).
cat > agent <<'AGENT'
#!/bin/sh
shift
exec ip netns exec shuyuan-rank1 unshare --uts sh -c 'hostname rank1; exec sh -c "$*"' sh "$@"
AGENT
chmod +x agent
printf '10.99.0.1 slots=1\n10.99.0.2 slots=1\n' > hosts
# shellcheck disable=SC2086
ip netns exec shuyuan-rank0 unshare --uts sh -c 'hostname rank0; exec "$@"' sh \
    mpirun -n 2 --hostfile hosts --mca plm_rsh_agent "$dir/agent" --mca btl tcp,self \
    --mca btl_tcp_if_include 10.99.0.0/24 --mca oob_tcp_if_include 10.99.0.0/24 \
    $ranks --steps 40 --output wire >/dev/null 2>&1
compare one wire
echo "$(ip -n shuyuan-rank0 -s link show wire0 | awk '/RX:/ { getline; print int($1 / 1e6) }') MB came over the wire to rank 0"
