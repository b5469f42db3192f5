"""Ours and PyTorch's training step, A B A B, one JSON line a shape. See train.sh."""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys


def run(*command):
    """The last line of a command's output, as JSON."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if done.returncode:
        sys.exit(f"failed ({done.returncode}): {' '.join(command)}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def multiplies_bf16():
    """Whether the processor has products of bf16; f32 is PyTorch's fastest where it has none (see f32.py)."""
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("configs", nargs="*")
    p.add_argument("--ours", required=True)
    p.add_argument("--peers", required=True)
    p.add_argument("--optimizer", default="adamw", choices=["adamw", "muon"])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=7)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--seq", type=int, default=512)
    a = p.parse_args()
    size = ["--batch", str(a.batch), "--seq", str(a.seq), "--steps", str(a.steps)]
    bf16 = multiplies_bf16()
    precision, wrapper = ("bf16", []) if bf16 else ("f32", [str(pathlib.Path(__file__).with_name("f32.py"))])
    for config in a.configs or [f"{a.peers}/configs/2m.json", f"{a.peers}/configs/26m.json"]:
        torch = [sys.executable, *wrapper, f"{a.peers}/train_step.py", "--config", config, *size]
        torch += ["--mode", "compile-bf16", "--keep-memory", "--qk-norm"]
        ours = [a.ours, "bench", "train", "--config", config, *size, "--optimizer", a.optimizer, "--json"]
        # Without instructions for them, products of bf16 take seconds each.
        limits = run(sys.executable, f"{a.peers}/limits.py", *([] if bf16 else ["--n", "1024", "--reps", "4"]))
        peak = max(value["best"] for key, value in limits.items() if key.startswith(f"matmul_{precision}"))
        run(*torch)
        run(*ours)
        rounds = [(run(*ours), run(*torch)) for _ in range(a.rounds)]
        of = lambda side, key: [one[side][key] for one in rounds]
        line = {
            "bench": "train", "config": config.rsplit("/", 1)[-1], "optimizer": a.optimizer,
            "batch": a.batch, "seq": a.seq, "rounds": a.rounds,
            "ours_tokens_per_s": spread(of(0, "tokens_per_s")), "pytorch_tokens_per_s": spread(of(1, "tokens_per_s")),
            "ours_peak_rss_mib": max(of(0, "peak_rss_mib")), "pytorch_peak_rss_mib": max(of(1, "peak_rss_mib")),
            "ours_gflop_per_s": statistics.median(of(0, "gflop_per_s")), "matmul_gflop_per_s": peak, "pytorch_multiplies": precision,
            "shares": rounds[-1][0]["shares"], "load_before": [one[1]["machine"].get("load_before") for one in rounds],
        }
        line["ratio"] = line["ours_tokens_per_s"]["median"] / line["pytorch_tokens_per_s"]["median"]
        line["memory_ratio"] = line["ours_peak_rss_mib"] / line["pytorch_peak_rss_mib"]
        line["share_of_peak"] = line["ours_gflop_per_s"] / peak
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
