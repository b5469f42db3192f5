#!/usr/bin/env python3
"""Trains the 2M model for some steps on the CPU and on another device, same recipe, seed and text, and compares the losses.

Builds a small corpus of this project's own documents first. In f32 both follow the same curve until rounding parts them.
Ends with 1 where they part by more than the bound. On a processor without a GPU, Mesa's lavapipe computes for webgpu
(Debian: mesa-vulkan-drivers); it takes some seconds a step.

Example: cargo build --release --features webgpu && bench/curves.py --device webgpu
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", type=pathlib.Path, default=ROOT / "target/release/shuyuan")
    p.add_argument("--device", default="webgpu")
    p.add_argument("--precision", default="f32", choices=["f32", "bf16"])
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--tokens", type=int, default=128)
    p.add_argument("--bound", type=float, default=0.02, help="nats by which losses may differ (default: 0.02)")
    a = p.parse_args()

    def run(*arguments):
        subprocess.run([a.program, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)

    with tempfile.TemporaryDirectory() as dir:
        dir = pathlib.Path(dir)
        texts = [ROOT / "docs", ROOT / "README.md", ROOT / "README.zh.md"]
        run("tokenizer", "train", "--input", *texts, "--vocab-size", 2048, "--output", dir / "tok")
        run("corpus", "build", "--input", *texts, "--tokenizer", dir / "tok", "--output", dir / "corpus")
        recipe = re.sub(r"\[train\.first\][^\[]*", "", (ROOT / "recipes/2m.toml").read_text())
        for key, value in {"batch": a.batch, "tokens": a.tokens, "precision": f'"{a.precision}"'}.items():
            recipe, found = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", recipe, count=1)
            if not found:
                recipe = recipe.replace("[train]\n", f"[train]\n{key} = {value}\n")
        (dir / "recipe.toml").write_text(recipe)
        curves, seconds = {}, {}
        for device in ["cpu", a.device]:
            began = time.time()
            run("pretrain", "--recipe", dir / "recipe.toml", "--corpus", dir / "corpus", "--steps", a.steps,
                "--device", device, "--output", dir / device)
            seconds[device] = time.time() - began
            lines = (dir / device / "metrics.jsonl").read_text().splitlines()
            curves[device] = [json.loads(line)["loss"] for line in lines]
    apart = [abs(x - y) for x, y in zip(*curves.values(), strict=True)]
    for step in sorted({0, a.steps // 4, a.steps // 2, 3 * a.steps // 4, a.steps - 1}):
        print(f"step {step + 1}: " + ", ".join(f"{device} {curve[step]:.4f}" for device, curve in curves.items()))
    print(json.dumps({"device": a.device, "precision": a.precision, "steps": a.steps, "apart_at_most": max(apart),
                      "seconds": seconds, "fell_by": curves["cpu"][0] - curves["cpu"][-1]}))
    if max(apart) > a.bound:
        sys.exit(f"the curves part by {max(apart):.4f} nats, more than {a.bound}")


if __name__ == "__main__":
    main()
