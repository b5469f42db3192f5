#!/usr/bin/env python3
"""Opens a model that we saved with transformers and lets it write: python opens_in_transformers.py MODEL golden.json

Fails if a tensor is missing, left over or misshapen, if it is not Qwen3, or if its greedy ids are not those recorded.
crates/model/tests/opens_in_transformers.rs runs it.
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM, Qwen3ForCausalLM


def main(folder, golden_path):
    with open(golden_path) as file:
        golden = json.load(file)
    model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    problems = {key: sorted(map(str, value)) for key, value in info.items() if value}
    if problems:
        sys.exit(f"loading found {problems}")
    if type(model) is not Qwen3ForCausalLM:
        sys.exit(f"expected Qwen3ForCausalLM, found {type(model).__name__}")
    if model.dtype != torch.float32:
        sys.exit(f"expected float32, found {model.dtype}")
    prompt = torch.tensor([golden["prompt"]])
    ids = model.eval().generate(prompt, max_new_tokens=len(golden["greedy"]))[0, prompt.shape[1]:].tolist()
    if ids != golden["greedy"]:
        sys.exit(f"greedy ids {ids}, recorded {golden['greedy']}")
    batch = golden["batches"][0]
    shape = (golden["batch"], golden["tokens"])
    with torch.no_grad():
        logits = model(input_ids=torch.tensor(batch["ids"]).view(shape)).logits
    found = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor(batch["targets"])).item()
    if abs(found - golden["loss"]) > 1e-5:
        sys.exit(f"loss {found}, recorded {golden['loss']}")
    print(f"opens with all its tensors, loss {found:.6f}, {len(ids)} greedy ids as recorded")


if __name__ == "__main__":
    main(*sys.argv[1:])
