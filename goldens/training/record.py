#!/usr/bin/env python3
"""Records how PyTorch trains the decoder of ../model/tied for 100 steps, for crates/train/tests/pytorch.rs.

    python goldens/training/record.py       # torch 2.15.0, transformers 5.23.0, float32 on the CPU

Writes losses.json: AdamW as torch.optim has it, gradients cut to a norm of 1, a rate that rises and falls. Batches follow a
rule that can be learned, with a little noise, from a generator that both sides have.
"""

import json
import pathlib

import torch
from transformers import Qwen3ForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
STEPS, BATCH, TOKENS, VOCAB = 100, 8, 32, 96
LR, BETAS, DECAY, WARMUP, WARMDOWN = 1e-2, (0.9, 0.95), 0.1, 10, 0.5


def batches():
    state = 1

    def draw(n):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % n

    for _ in range(STEPS):
        rows = []
        for _ in range(BATCH):
            row = [draw(VOCAB)]
            for _ in range(TOKENS):
                row.append((5 * row[-1] + 17 + draw(3)) % VOCAB)
            rows.append(row)
        yield torch.tensor(rows)


def main():
    torch.manual_seed(0)
    model = Qwen3ForCausalLM.from_pretrained(HERE.parent / "model/tied", dtype=torch.float32, attn_implementation="eager")
    model.train()
    layers = [p for n, p in model.named_parameters() if p.ndim == 2 and ".layers." in n]
    others = [p for n, p in model.named_parameters() if not (p.ndim == 2 and ".layers." in n)]
    groups = [{"params": layers, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=BETAS, eps=1e-8)
    losses = []
    for step, rows in enumerate(batches(), 1):
        left = 1 - (step - 1) / STEPS
        factor = min(step / WARMUP, left / WARMDOWN, 1)
        for group in optimizer.param_groups:
            group["lr"] = LR * factor
        logits = model(input_ids=rows[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(round(loss.item(), 7))
    (HERE / "losses.json").write_text(json.dumps(losses) + "\n")
    print(losses[0], losses[49], losses[-1])


if __name__ == "__main__":
    main()
