#!/usr/bin/env python3
"""Opens models that we exported with llama.cpp: python opens_in_llama_cpp.py FOLDER

FOLDER holds a model as we save it (config.json, model.safetensors, tokenizer.json), its exports MIX.gguf, and ours.json:
a prompt and our greedy ids after it, texts and their ids. crates/model/tests/gguf_export.rs writes it and runs this.

Fails unless f32.gguf continues the prompt in llama.cpp as ours does, and as transformers does with the saved model; unless
both have our ids for every text; unless every other mix stays near f32; and, where llama-quantize lies beside the Python
(VENV/llama.cpp/bin), unless it gives each tensor the same type as we do, and a file that is no nearer to f32 than ours.

Needs torch, transformers, gguf and llama_cpp; says that it was skipped where the last two are missing.
"""

import importlib.util
import json
import pathlib
import subprocess
import sys

missing = [name for name in ("gguf", "llama_cpp") if importlib.util.find_spec(name) is None]
if missing:
    print(f"skipped: this Python has no {' and no '.join(missing)}")
    sys.exit(0)

import gguf
import llama_cpp
import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

QUANTIZE = pathlib.Path(sys.prefix) / "llama.cpp" / "bin" / "llama-quantize"


def open_llama(file):
    """Cache in f32, one thread, no flash attention, so that only the weights differ."""
    return llama_cpp.Llama(str(file), n_ctx=256, n_batch=256, n_threads=1, n_threads_batch=1, logits_all=True,
                           type_k=0, type_v=0, flash_attn=False, n_gpu_layers=0, verbose=False)


def greedy(llm, prompt, count):
    llm.reset()
    llm.eval(prompt)
    ids = []
    for _ in range(count):
        ids.append(int(np.argmax(llm.scores[llm.n_tokens - 1])))
        llm.eval(ids[-1:])
    return ids


def logits(file, ids):
    llm = open_llama(file)
    llm.eval(ids)
    out = np.array(llm.scores[: len(ids)], dtype=np.float64)
    llm.close()
    return out


def divergence(p, q):
    """Mean KL divergence of the predictions, in nats."""
    p, q = (x - x.max(-1, keepdims=True) for x in (p, q))
    p, q = (x - np.log(np.exp(x).sum(-1, keepdims=True)) for x in (p, q))
    return float((np.exp(p) * (p - q)).sum(-1).mean())


def kinds(file):
    return {t.name: t.tensor_type.name for t in gguf.GGUFReader(file).tensors}


def squared_error(file, base):
    numbers = {t.name: t for t in gguf.GGUFReader(base).tensors}
    total = 0.0
    for t in gguf.GGUFReader(file).tensors:
        x = gguf.dequantize(t.data, t.tensor_type).astype(np.float64).ravel()
        total += ((x - numbers[t.name].data.astype(np.float64).ravel()) ** 2).sum()
    return total


def main(folder):
    folder = pathlib.Path(folder)
    ours = json.loads((folder / "ours.json").read_text())
    prompt, expected = ours["prompt"], ours["greedy"]
    base = folder / "F32.gguf"

    llm = open_llama(base)
    found = greedy(llm, prompt, len(expected))
    if found != expected:
        sys.exit(f"llama.cpp continues with {found}, ours with {expected}")
    for case in ours["texts"]:
        ids = llm.tokenize(case["text"].encode(), add_bos=False, special=False)
        if ids != case["ids"]:
            sys.exit(f"{case['text']!r}: llama.cpp has the ids {ids}, ours {case['ids']}")
        if ids and llm.detokenize(ids).decode(errors="replace").strip() != case["text"].strip():
            sys.exit(f"{case['text']!r}: llama.cpp reads {llm.detokenize(ids)!r} from its ids")
    end = llm.token_eos()
    if end != ours["eos"]:
        sys.exit(f"llama.cpp ends texts with id {end}, ours with {ours['eos']}")
    llm.close()

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.tensor([prompt])
    with torch.no_grad():
        for _ in expected:
            ids = torch.cat([ids, model(input_ids=ids).logits[:, -1].argmax(-1, keepdim=True)], 1)
        reference = model(input_ids=ids).logits[0].double().numpy()
    if ids[0, len(prompt):].tolist() != expected:
        sys.exit(f"transformers continues with {ids[0, len(prompt):].tolist()}, ours with {expected}")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for case in ours["texts"]:
        theirs = tokenizer.encode(case["text"], split_special_tokens=True)
        if theirs != case["ids"]:
            sys.exit(f"{case['text']!r}: transformers has the ids {theirs}, ours {case['ids']}")
    print(f"F32: {len(expected)} greedy ids as ours and as transformers', {len(ours['texts'])} texts with the same ids")

    ids = ids[0].tolist()
    off = np.abs(logits(base, ids) - reference).max() / np.abs(reference).max()
    print(f"F32: logits off from transformers' by {off:.1e} of the largest")
    if off > 1e-4:
        sys.exit("that is too far")
    for file in sorted(folder.glob("*.gguf")):
        mix = file.stem
        if mix == "F32":
            continue
        apart = divergence(reference, logits(file, ids))
        error = squared_error(file, base)
        line = f"{mix}: {file.stat().st_size} bytes, squared error {error:.4e}, divergence {apart:.2e} nats"
        if not apart < 0.5:
            sys.exit(f"{line}: too far")
        if QUANTIZE.exists():
            theirs = folder / f"llama-quantize.{mix}"
            run = subprocess.run([QUANTIZE, base, theirs, mix], capture_output=True, text=True, errors="replace")
            if run.returncode != 0:
                sys.exit(f"llama-quantize failed:\n{run.stderr[-2000:]}")
            expected_kinds = kinds(theirs)
            different = {n: (k, expected_kinds[n]) for n, k in kinds(file).items() if expected_kinds[n] != k}
            if different:
                sys.exit(f"{mix}: types as we have them and as llama-quantize has them differ: {different}")
            their_error = squared_error(theirs, base)
            line += f"; llama-quantize: {their_error:.4e}, {divergence(reference, logits(theirs, ids)):.2e}"
            if error > their_error * 1.0001:
                sys.exit(f"{line}: larger")
        print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
