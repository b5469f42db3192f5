#!/usr/bin/env python3
"""Opens models that we exported with transformers and llama.cpp: python open_all.py FOLDER

FOLDER/NAME holds one model as safetensors (safetensors/), the same by way of GGUF (of_gguf/), GGUF files, and ours.json: a
prompt, our greedy ids after it and the logits by which they were chosen. crates/model/tests/export.rs writes it and runs this.

Fails unless transformers finds every tensor, none left over, and continues the prompt as ours does; and unless llama.cpp
continues it so, too, with every GGUF file (but for F16, where the next token is clear; Q8_0 as ours does with the same file). Needs torch and transformers; says so where
llama_cpp is missing.
"""

import importlib.util
import json
import pathlib
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM

# Known code paths: fused ones for experts differ between versions.
PLAIN = {"attn_implementation": "eager", "experts_implementation": "eager"}


def with_transformers(folder, ours):
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, **PLAIN)
    problems = {key: sorted(map(str, value)) for key, value in info.items() if value}
    if problems:
        sys.exit(f"{folder}: loading found {problems}")
    model.eval()
    ids = torch.tensor([ours["prompt"]])
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[0, -1].double().numpy()
        for _ in ours["greedy"]:
            ids = torch.cat([ids, model(input_ids=ids, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)], 1)
    found = ids[0, len(ours["prompt"]):].tolist()
    expected = np.array(ours["logits"][: len(logits)])
    error = ((logits - expected) ** 2).sum() / (expected**2).sum()
    print(f"{folder.parent.name}/{folder.name}: transformers, NMSE {error:.1e}, {len(found)} greedy ids")
    if found != ours["greedy"]:
        sys.exit(f"{folder}: transformers continues with {found}, ours with {ours['greedy']}")


def with_llama_cpp(file, ours):
    import llama_cpp
    length = len(ours["prompt"]) + len(ours["greedy"])
    llm = llama_cpp.Llama(str(file), n_ctx=length, n_batch=length, n_threads=1, n_threads_batch=1, logits_all=True,
                          type_k=0, type_v=0, flash_attn=False, n_gpu_layers=0, verbose=False)
    q8 = file.stem == "Q8_0"
    ids = ours["q8_0"] if q8 else ours["greedy"]
    # Fed what ours wrote, it must want the same next token each time.
    llm.eval(ours["prompt"] + ids[:-1])
    logits = np.array(llm.scores[llm.n_tokens - len(ids):llm.n_tokens], dtype=np.float64)
    llm.close()
    found = logits.argmax(-1).tolist()
    expected = np.array(ours["q8_0_logits"] if q8 else ours["logits"]).reshape(-1, logits.shape[1])
    off = logits - expected
    error = float(np.median((off**2).sum(-1) / (expected**2).sum(-1)))
    # llama.cpp rounds activations, to bf16 or to 8 bits (there ours does, too, in its own way), and may then ask other experts now
    # and then: so the median tells whether the weights are the same.
    if error > 2e-3:
        return f"{file}: llama.cpp's logits are off by NMSE {error:.1e}"
    near = 0
    for i, (a, b) in enumerate(zip(found, ids)):
        # Two tokens that are as near as that may change places.
        if file.stem != "F16" and a != b and expected[i, b] - expected[i, a] < 4 * np.sqrt((off[i] ** 2).mean()):
            near += 1
        elif a != b:
            return f"{file}: llama.cpp continues with {a} at {i}, ours with {b}: {found} {ids}"
    print(f"{file.parent.name}/{file.name}: llama.cpp, NMSE {error:.1e}, {len(ids) - near} of {len(ids)} greedy ids"
          + (f", {near} too near to tell" if near else ""))
    return None


def main(root):
    llama = importlib.util.find_spec("llama_cpp") is not None
    if not llama:
        print("llama.cpp is left out: this Python has no llama_cpp")
    wrong = []
    for folder in sorted(pathlib.Path(root).iterdir()):
        ours = json.loads((folder / "ours.json").read_text())
        for name in ("safetensors", "of_gguf"):
            with_transformers(folder / name, ours)
        for file in sorted(folder.glob("*.gguf")) if llama else ():
            wrong.append(with_llama_cpp(file, ours))
    if any(wrong):
        sys.exit("\n".join(filter(None, wrong)))


if __name__ == "__main__":
    main(*sys.argv[1:])
