#!/usr/bin/env python3
"""Opens vocabularies that we exported with llama.cpp: python open_vocabularies.py FOLDER

FOLDER holds KIND.gguf, a random model with the tokenizer of goldens/text/families/KIND, and KIND.json: what we read out of
it. crates/model/tests/export.rs writes it and runs this. Fails unless llama.cpp gives every text of cases.json the ids that
Hugging Face's libraries gave it, and has the same special tokens and chat template.

Says that it was skipped where llama_cpp is missing.
"""

import importlib.util
import json
import pathlib
import sys
import unicodedata

CASES = pathlib.Path(__file__).resolve().parent.parent / "text" / "families" / "cases.json"


def llama_cpp_differs(kind, text):
    """Where llama.cpp itself is not Hugging Face."""
    if kind in ("llama2", "mistral", "phi3", "gemma") and ("▁" in text or "\0" in text or text == ""):
        return True  # Bars are spaces to it, a zero ends a text.
    if kind == "mistral" and text.startswith(" "):
        return True  # It puts a space before a space.
    if kind in ("qwen2", "qwen3") and unicodedata.normalize("NFC", text) != text:
        return True  # It composes no characters.
    # It finds user-defined tokens in what users write.
    return kind == "qwen3" and "<think>" in text


def main(folder):
    if importlib.util.find_spec("llama_cpp") is None:
        print("skipped: this Python has no llama_cpp")
        return
    import llama_cpp
    cases = json.loads(CASES.read_text())
    wrong = []
    for file in sorted(pathlib.Path(folder).glob("*.gguf")):
        kind, about = file.stem, json.loads(file.with_suffix(".json").read_text())
        llm = llama_cpp.Llama(str(file), vocab_only=True, verbose=False)
        texts = [case for case in cases[kind]["texts"] if not llama_cpp_differs(kind, case["text"])]
        for case in texts:
            ids = llm.tokenize(case["text"].encode(), add_bos=False, special=False)
            if ids != case["plain"]:
                wrong.append(f"{kind} {case['text']!r}: llama.cpp has the ids {ids}, Hugging Face {case['plain']}")
        prefix = llm.tokenize(b"a", add_bos=True, special=False)[: len(about["prefix"])]
        if prefix != about["prefix"]:
            wrong.append(f"{kind}: llama.cpp begins texts with {prefix}, ours with {about['prefix']}")
        if llm.token_eos() != about["eos"]:
            wrong.append(f"{kind}: llama.cpp ends texts with {llm.token_eos()}, ours with {about['eos']}")
        if llm.metadata.get("tokenizer.chat_template") != about["chat_template"]:
            wrong.append(f"{kind}: the chat template is another")
        print(f"{kind}: {len(texts)} of {len(cases[kind]['texts'])} texts asked")
        llm.close()
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(*sys.argv[1:])
