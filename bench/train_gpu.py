#!/usr/bin/env python3
"""Times PyTorch's training step on an NVIDIA GPU: the decoder of train_step.py, compiled, bf16, fused AdamW.

Beside `shuyuan bench train --device cuda`, on the same shapes. Its one JSON line has train_step.py's fields.

Example: bench/train_gpu.py --peers ../shared/peers --config ../shared/peers/configs/110m.json --batch 32 --seq 1024
"""

import argparse
import json
import statistics
import sys
import time

import torch


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--peers", required=True, help="the folder of train_step.py")
    p.add_argument("--config", required=True, help="a config.json with Hugging Face names")
    p.add_argument("--batch", type=int, required=True)
    p.add_argument("--seq", type=int, required=True)
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--warmup", type=int, default=5)
    p.add_argument("--eager", action="store_true", help="without torch.compile")
    a = p.parse_args()
    sys.path.insert(0, a.peers)
    from train_step import Decoder, flops_per_token, read_config

    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    c = read_config(a.config, True)
    model = Decoder(c, a.seq).cuda()
    opt = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    run = model if a.eager else torch.compile(model)
    ids = torch.randint(0, c["vocab_size"], (a.batch, a.seq + 1), device="cuda")
    inputs, targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
    times, losses = [], []
    for step in range(a.warmup + a.steps):
        torch.cuda.synchronize()
        started = time.perf_counter()
        with torch.autocast("cuda", torch.bfloat16):
            loss = run(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        opt.zero_grad(set_to_none=True)
        losses.append(loss.item())
        torch.cuda.synchronize()
        if step >= a.warmup:
            times.append(time.perf_counter() - started)
    tokens, step_s = a.batch * a.seq, statistics.median(times)
    print(json.dumps({
        "bench": "train_gpu",
        "peer": "pytorch",
        "version": torch.__version__,
        "device": torch.cuda.get_device_name(),
        "config": a.config.rsplit("/", 1)[-1],
        "compiled": not a.eager,
        "batch": a.batch,
        "seq": a.seq,
        "params": sum(x.numel() for x in model.parameters()),
        "tokens_per_s": round(tokens / step_s, 1),
        "ms": {"step": round(step_s * 1e3, 2)},
        "tflop_per_s": round(flops_per_token(c, a.seq) * tokens / step_s / 1e12, 1),
        "peak_memory_mib": torch.cuda.max_memory_allocated() >> 20,
        "first_loss": round(losses[0], 4),
        "last_loss": round(losses[-1], 4),
    }))


if __name__ == "__main__":
    main()
