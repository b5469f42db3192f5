#!/usr/bin/env python3
"""Writes a tiny random model of every family with what transformers makes of it, and llama.cpp of its GGUF files.

The recipe is make_models.py of the peers' folder; here shapes are smaller still, and of the logits only the last eight
positions are kept. Needs the peers' venv: `record.py ../../shared/peers`.
"""

import json
import pathlib
import shutil
import sys
import tempfile

peers = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "../../../shared/peers").resolve()
sys.path.insert(0, str(peers))
import make_models  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

KEPT = 8
ROPE = {"rope_type": "default", "rope_theta": 10000.0}
LLAMA = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "intermediate_size": 48, "vocab_size": 512, "max_position_embeddings": 128, "tie_word_embeddings": False,
    "rope_parameters": ROPE,
}


def spec(name, family, tokenizer, seed, legacy=False, dtype="bfloat16", gguf=(), **config):
    out = {"name": name, "family": family, "seed": seed, "dtype": dtype, "tokenizer": tokenizer, "config": {**LLAMA, **config}}
    if legacy:
        out["config_form"] = "legacy"
    if gguf:
        out["gguf"] = list(gguf)
    return out


GEMMA3_ROPE = {"full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0}, "sliding_attention": ROPE}
LLAMA3_ROPE = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 16}
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 16}
LONGROPE = {"rope_type": "longrope", "rope_theta": 10000.0, "partial_rotary_factor": 0.5,
            "short_factor": [1.0, 1.1], "long_factor": [1.5, 3.0]}
SPECS = [
    spec("llama3", "llama", "llama3", 1, gguf=["q8_0"], rope_parameters=LLAMA3_ROPE),
    spec("llama-biases", "llama", "gpt2", 2, legacy=True, attention_bias=True, mlp_bias=True, rms_norm_eps=1e-5),
    spec("mistral", "mistral", "llama2", 3, dtype="float16", sliding_window=9),
    spec("mixtral", "mixtral", "llama2", 4, num_local_experts=4, num_experts_per_tok=2, sliding_window=None),
    spec("qwen2", "qwen2", "qwen2", 5, legacy=True, gguf=["f32", "q8_0"], tie_word_embeddings=True),
    # Rows of 256 columns, which the K formats need.
    spec("qwen3", "qwen3", "qwen2", 6, gguf=["q4_0", "q4_k_m"], hidden_size=256, intermediate_size=256, num_attention_heads=2, num_key_value_heads=1,
         tie_word_embeddings=True, rope_parameters=YARN, num_hidden_layers=1),
    spec("qwen3-moe", "qwen3_moe", "qwen2", 7, legacy=True, moe_intermediate_size=16, num_experts=6, num_experts_per_tok=3,
         norm_topk_prob=False, mlp_only_layers=[0], decoder_sparse_step=1),
    spec("gemma2", "gemma2", "gemma", 8, legacy=True, sliding_window=9, query_pre_attn_scalar=12, num_hidden_layers=3,
         attn_logit_softcapping=4.0, final_logit_softcapping=5.0, tie_word_embeddings=True),
    spec("gemma3", "gemma3_text", "gemma", 9, sliding_window=9, query_pre_attn_scalar=8, num_key_value_heads=1,
         layer_types=["sliding_attention", "full_attention"], rope_parameters=GEMMA3_ROPE, tie_word_embeddings=True),
    spec("phi3", "phi3", "llama2", 10, dtype="float16", num_key_value_heads=4, original_max_position_embeddings=32, sliding_window=None,
         pad_token_id=2, rope_parameters=LONGROPE),
    {"name": "gpt2", "family": "gpt2", "seed": 11, "dtype": "float32", "tokenizer": "gpt2",
     "config": {"n_embd": 24, "n_layer": 2, "n_head": 3, "vocab_size": 512, "n_positions": 64, "bos_token_id": 0, "eos_token_id": 0}},
]


def main():
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    make_models.PROMPT = 24
    here = pathlib.Path(__file__).parent
    with tempfile.TemporaryDirectory() as work:
        for spec in SPECS:
            make_models.make(spec, pathlib.Path(work))
            source, out = pathlib.Path(work) / spec["name"], here / spec["name"]
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            for file in ["config.json", "model.safetensors", *(f.name for f in source.glob("*.gguf"))]:
                shutil.copy(source / file, out / file)
            golden = load_file(source / "golden.safetensors")
            save_file({
                "input_ids": golden["input_ids"], "greedy_ids": golden["greedy_ids"],
                "logits": golden["logits"][:, -KEPT:].contiguous(),
            }, out / "golden.safetensors")
            if (source / "golden_gguf.safetensors").exists():
                kept = {k: v[:, -KEPT:].contiguous() for k, v in load_file(source / "golden_gguf.safetensors").items()}
                save_file(kept, out / "golden_gguf.safetensors")
            for file in out.iterdir():
                file.chmod(0o644)
    (here / "versions.json").write_text(json.dumps(
        {"torch": torch.__version__, "transformers": transformers.__version__}, indent=1) + "\n")


if __name__ == "__main__":
    main()
