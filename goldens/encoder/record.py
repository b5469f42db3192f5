#!/usr/bin/env python3
"""Records what transformers makes of tiny encoders, for crates/model/tests/encoder.rs and crates/academy/tests/embedder.rs.

    python goldens/encoder/record.py          # torch 2.15.0, transformers 5.23.0, gguf, llama_cpp; float32 on the CPU

Writes bert/, roberta/ and distilbert/: the model as transformers saves it, sentence-transformers' files (three poolings),
golden.json (texts and their ids) and golden.safetensors (states and embedding of each text, alone, without padding).
bert/ gets model.f16.gguf and model.q8_0.gguf with llama.cpp's names, too, and golden_gguf.safetensors with what transformers
makes of the numbers in these files; the script fails unless llama.cpp opens both and finds nearly the same embeddings.
All weights are random, norms too: a norm that is all ones would hide a missing product.
"""

import json
import pathlib
import shutil

import gguf
import llama_cpp
import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (BertConfig, BertModel, DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast, RobertaConfig,
                          RobertaModel)

HERE = pathlib.Path(__file__).resolve().parent
TEXTS = [
    "今天在公园里看见了一只猫。",
    "The cat sat on the mat, and the dog did not mind.",
    "狮子头是一道菜, not a lion's head!",
    "a",
    "书院里的学生每天读书写字。" * 6 + "The students of the academy read and write every day.",
    "",
]
SPECIALS = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
POSITIONS = 160


def tokenizer():
    """WordPiece of single characters, those within words behind ##."""
    letters = sorted({c for text in TEXTS for c in text.lower() if not c.isspace()})
    within = [c for c in letters if c.isascii() and c.isalnum()]
    vocab = {token: id for id, token in enumerate(SPECIALS + letters + ["##" + c for c in within])}
    made = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])])
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]",
                                   sep_token="[SEP]", mask_token="[MASK]")


def families(vocab_size):
    """Name, model, pooling, whether it normalises."""
    common = dict(vocab_size=vocab_size, max_position_embeddings=POSITIONS)
    bert = dict(hidden_size=32, num_attention_heads=4, num_hidden_layers=2, intermediate_size=64, **common)
    # Odd sizes, which no vector register fits.
    roberta = dict(hidden_size=20, num_attention_heads=4, num_hidden_layers=1, intermediate_size=36, type_vocab_size=1,
                   pad_token_id=1, layer_norm_eps=1e-5, **common)
    distilbert = dict(dim=28, n_heads=2, n_layers=1, hidden_dim=44, activation="gelu", **common)
    yield "bert", BertModel(BertConfig(**bert)), "mean_tokens", True
    yield "roberta", RobertaModel(RobertaConfig(**roberta), add_pooling_layer=False), "cls_token", True
    yield "distilbert", DistilBertModel(DistilBertConfig(**distilbert)), "lasttoken", False


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, param in sorted(model.named_parameters()):
            norm = "norm" in name.lower() and name.endswith("weight")
            param.copy_(torch.randn(param.shape, generator=generator) * 0.3 + (1.0 if norm else 0.0))


def pooled(states, pooling, normalise):
    vector = {"mean_tokens": states.mean(0), "cls_token": states[0], "lasttoken": states[-1]}[pooling]
    return torch.nn.functional.normalize(vector, dim=0) if normalise else vector


def record(model, ids, pooling, normalise):
    found = {}
    for index, row in enumerate(ids):
        with torch.no_grad():
            states = model(input_ids=torch.tensor([row])).last_hidden_state[0]
        found[f"states.{index}"] = states.contiguous()
        found[f"embedding.{index}"] = pooled(states, pooling, normalise).clone()
    return found


def write_sentence(folder, pooling, normalise):
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")] + ([("2_Normalize", "Normalize")] if normalise else [])
    (folder / "modules.json").write_text(json.dumps(
        [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
         for i, (path, kind) in enumerate(modules)], indent=1) + "\n")
    modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({f"pooling_mode_{mode}": mode == pooling for mode in modes}, indent=1) + "\n")


def write_gguf(folder, model, words, kind):
    """As llama.cpp's converter would; gives back the weights that the file stands for."""
    config = model.config
    file = gguf.GGUFWriter(str(folder / f"model.{kind.name.lower()}.gguf"), "bert")
    file.add_context_length(config.max_position_embeddings)
    file.add_embedding_length(config.hidden_size)
    file.add_feed_forward_length(config.intermediate_size)
    file.add_block_count(config.num_hidden_layers)
    file.add_head_count(config.num_attention_heads)
    file.add_layer_norm_eps(config.layer_norm_eps)
    file.add_causal_attention(False)
    file.add_pooling_type(gguf.PoolingType.MEAN)
    file.add_tokenizer_model("bert")
    file.add_token_type_count(config.type_vocab_size)
    tokens = [w if w in SPECIALS else w[2:] if w.startswith("##") else "\u2581" + w for w in words]
    file.add_token_list(tokens)
    file.add_token_types([gguf.TokenType.CONTROL if w in SPECIALS else gguf.TokenType.NORMAL for w in words])
    # The converter writes [CLS] as the token that begins a text.
    for role, word in [("pad", "PAD"), ("unk", "UNK"), ("bos", "CLS"), ("sep", "SEP"), ("mask", "MASK")]:
        getattr(file, f"add_{role}_token_id")(SPECIALS.index(f"[{word}]"))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, config.num_hidden_layers)
    weights = {}
    for name, param in model.state_dict().items():
        if name.startswith("pooler") or name.endswith("position_ids"):
            continue
        data = param.numpy()
        # llama.cpp keeps vectors and the kinds of tokens exact.
        exact = data.ndim == 1 or "token_type" in name or "position" in name
        own = gguf.GGMLQuantizationType.F32 if exact else kind
        packed = gguf.quants.quantize(data, own)
        weights[name] = torch.tensor(gguf.quants.dequantize(packed, own).reshape(data.shape).astype(np.float32))
        file.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), packed, raw_dtype=own)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return weights


def check_llama_cpp(path, texts, golden):
    """llama.cpp takes another curve (GELU by tanh) and rounds activations: near, not the same."""
    llm = llama_cpp.Llama(str(path), embedding=True, n_ctx=512, n_batch=512, n_gpu_layers=0, verbose=False)
    for index, text in enumerate(texts):
        found = torch.tensor(llm.embed(text, normalize=True))
        cosine = float(found @ golden[f"embedding.{index}"])
        print(f"  {path.name}: cosine to llama.cpp {cosine:.6f}")
        assert cosine > 0.999, (path.name, text)


def main():
    tokens = tokenizer()
    ids = tokens(TEXTS)["input_ids"]
    words = tokens.convert_ids_to_tokens(range(len(tokens)))
    for seed, (name, model, pooling, normalise) in enumerate(families(len(tokens))):
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        randomise(model, seed)
        model.eval()
        model.save_pretrained(folder)
        tokens.save_pretrained(folder)
        write_sentence(folder, pooling, normalise)
        golden = record(model, ids, pooling, normalise)
        save_file(golden, folder / "golden.safetensors")
        (folder / "golden.json").write_text(json.dumps({"texts": TEXTS, "ids": ids}, ensure_ascii=False) + "\n")
        print(name, f"{len(tokens)} tokens, texts of {[len(row) for row in ids]}")
        if name != "bert":
            continue
        all_kinds = {}
        for kind in (gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.Q8_0):
            model.load_state_dict(write_gguf(folder, model, words, kind), strict=False)
            golden = record(model, ids, pooling, normalise)
            check_llama_cpp(folder / f"model.{kind.name.lower()}.gguf", TEXTS, golden)
            all_kinds.update({f"{kind.name.lower()}.{key}": value for key, value in golden.items()})
            model = BertModel.from_pretrained(folder).eval()
        save_file(all_kinds, folder / "golden_gguf.safetensors")


if __name__ == "__main__":
    main()
