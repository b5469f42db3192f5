#!/usr/bin/env python3
"""Runs a script of the peers with all products in f32: PyTorch's fastest where the processor has none of bf16.

There compiled bf16 takes sixteen times as long (2m on a Zen 3), and the scripts have no compiled f32.

Example: bench/f32.py ../shared/peers/train_step.py --config ../shared/peers/configs/2m.json --mode compile-bf16 --keep-memory …
"""

import os
import pathlib
import runpy
import sys

# What --keep-memory and `train_race.py run` set by starting their own script once more, which would leave this one out.
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    if any(os.environ.get(key) != value for key, value in KEPT.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEPT})
    import torch

    autocast = torch.autocast
    torch.autocast = lambda device, dtype=None, enabled=True: autocast(device, dtype, enabled=False)
    torch.Tensor.bfloat16 = lambda self: self.float()
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(pathlib.Path(sys.argv[0]).resolve().parent))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
