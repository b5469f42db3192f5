#!/usr/bin/env python3
"""Trains variants of a recipe on the same text, each with several seeds, and prints bits per byte of held-out text.

STUDY is a TOML file: on top what all variants share, then a table [variant."NAME"] with what is different in each. Keys:

  recipe      the recipe file they start from (as `pretrain --recipe`), from the project's folder
  model, train, optimizer
              tables of a recipe, laid over it
  tokens      how much is learned
  seeds       a list
  vocab_size  of the tokenizer; mix: bytes, files or languages, as `race --mix`; bytes: text of each file at most
  average     the mean of the weights of the last N checkpoints is examined, N of train.keep_checkpoints

--data is a folder made by `train_race.py split`. Tokenizers and corpora are built once in --work; results go to
--work/results.jsonl, one line a run, and what is there already is not run again: stop it, add variants, go on. With --lanes 2
two runs share the processor's cores. What compares at equal time is raced by rule.py.

Bits per byte are means of files, then of languages, as `race` has them. ± is the standard error of seeds. `beside the first`
is the mean over seeds of the difference to the same seed of the first variant, in hundredths of a bit.

Example: bench/study.py bench/study.toml --data /tmp/race --work /tmp/study --lanes 2
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import queue
import shutil
import statistics
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLES = ("model", "train", "optimizer")
KEYS = {"recipe", "tokens", "seeds", "vocab_size", "mix", "bytes", "average", *TABLES}
DEFAULTS = {"recipe": "recipes/2m.toml", "seeds": [1], "vocab_size": 6400, "mix": "languages"}
SAMPLE = 36_000_000  # bytes that a tokenizer is trained on, as `race` has it


def laid_over(base, other):
    """`base` with what `other` says, tables key by key."""
    both = dict(base)
    for key, value in other.items():
        both[key] = laid_over(both.get(key, {}), value) if isinstance(value, dict) else value
    return both


def toml(recipe):
    lines = []

    def table(name, values):
        lines.append(f"[{name}]")
        lines.extend(f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, dict))
        for key, value in values.items():
            if isinstance(value, dict):
                table(f"{name}.{key}", value)

    for name, values in recipe.items():
        table(name, values)
    return "\n".join(lines) + "\n"


def read_study(path):
    """What each variant is, by its name: everything that it shares and everything of its own."""
    study = tomllib.loads(path.read_text())
    variants = study.pop("variant", {})
    if not variants:
        sys.exit(f"{path}: expected a table [variant.\"NAME\"], found none")
    whole = {}
    for name, own in variants.items():
        one = laid_over(laid_over(DEFAULTS, study), own)
        unknown = set(one) - KEYS
        if unknown or "tokens" not in one:
            sys.exit(f"{path}: {name}: " + (f"unknown keys {sorted(unknown)}" if unknown else "expected tokens, found none"))
        whole[name] = one
    return whole


def recipe_of(variant, seed):
    """The recipe's text, and how many tokens a step has on average."""
    base = tomllib.loads((ROOT / variant["recipe"]).read_text())
    recipe = laid_over(base, {name: variant[name] for name in TABLES if name in variant})
    train = recipe["train"]
    train["seed"] = seed
    for key in ("steps", "minutes"):
        train.pop(key, None)
    train["validate_every"] = 0
    train.setdefault("keep_checkpoints", 0)
    first = train.get("first", {"part": 0, "batch": 0, "tokens": 0})
    rows = (1 - first["part"]) * train["batch"] * train["tokens"] + first["part"] * first["batch"] * first["tokens"]
    return toml(recipe), rows * train.get("accumulation", 1)


class Study:
    def __init__(self, a):
        self.program, self.data, self.work, self.part = a.program, a.data, a.work, a.heldout
        self.work.mkdir(parents=True, exist_ok=True)
        self.results = self.work / "results.jsonl"

    def run(self, *arguments, cores=None):
        """The program's JSON; its own messages go to log.txt."""
        pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
        with open(self.work / "log.txt", "a") as log:
            done = subprocess.run([self.program, *map(str, arguments), "--json", "--home", self.work / "home"],
                                  stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=pin)
        if done.returncode:
            sys.exit(f"failed ({done.returncode}), see {self.work}/log.txt: {' '.join(map(str, arguments))}")
        return json.loads(done.stdout)

    def files(self, side):
        found = sorted(path for path in (self.data / side).glob("*.jsonl") if path.stat().st_size)
        return found or sys.exit(f"{self.data}/{side}: expected files *.jsonl, as `train_race.py split` writes them")

    def texts(self, most):
        """The training files, each cut after the line that reaches `most` bytes."""
        if not most:
            return self.files("train")
        folder = self.work / f"text-{most}"
        if not folder.exists():
            making = folder.with_suffix(".making")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            for path in self.files("train"):
                with open(path, "rb") as whole, open(making / path.name, "wb") as part:
                    while part.tell() < most and (line := whole.readline()):
                        part.write(line)
            making.rename(folder)
        return sorted(folder.iterdir())

    def corpus(self, variant):
        """The folder of the corpus that a variant learns from; built if it is not there."""
        vocab, mix, most = variant["vocab_size"], variant["mix"], variant.get("bytes")
        texts = self.texts(most)
        built = self.work / f"corpus-{vocab}-{mix}-{most or 'all'}"
        if not (built / "corpus.json").exists():
            tokenizer = self.work / f"tokenizer-{vocab}-{most or 'all'}"
            if not (tokenizer / "tokenizer.json").exists():
                self.run("tokenizer", "train", "--input", *texts, "--vocab-size", vocab,
                         "--limit", SAMPLE // len(texts), "--output", tokenizer)
            self.run("corpus", "build", "--input", *texts, "--weight", *weights(texts, mix), "--tokenizer", tokenizer,
                     "--validation-share", 0, "--clean", "--output", built)
        return built

    def heldout(self):
        """Each held-out file, and how many of its bytes are read."""
        return {path: max(1, round(path.stat().st_size * self.part)) for path in self.files("heldout")}

    def one(self, name, variant, seed, cores):
        corpus = self.corpus(variant)
        output = self.work / "runs" / identity(variant, seed)
        shutil.rmtree(output, ignore_errors=True)
        recipe, step = recipe_of(variant, seed)
        path = output.with_suffix(".toml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(recipe)
        steps = round(variant["tokens"] / step)
        summary = self.run("pretrain", "--corpus", corpus, "--output", output, "--recipe", path, "--steps", steps, cores=cores)
        model = mean_of(output, variant["average"]) if variant.get("average") else output / "model"
        bits = {}
        for path, most in self.heldout().items():
            scores = self.run("eval", "--model", model, "--text", path, "--bytes", most, cores=cores)
            bits[path.stem] = scores["bits_per_byte"]["score"]
        languages = [statistics.mean(values) for prefix in ("zh_", "en_")
                     if (values := [value for key, value in bits.items() if key.startswith(prefix)])]
        shutil.rmtree(output)
        return {"id": identity(variant, seed), "name": name, "seed": seed, "variant": variant, "summary": summary,
                "bits": bits, "languages": languages, "mean": statistics.mean(languages)}


def identity(variant, seed):
    """What tells one run from another; the recipe file's text belongs to it."""
    shipped = (ROOT / variant["recipe"]).read_text()
    what = {key: value for key, value in variant.items() if key != "seeds"}
    return hashlib.sha256(json.dumps([what, seed, shipped], sort_keys=True).encode()).hexdigest()[:16]


def weights(texts, mix):
    """How often the documents of each file come: as `race` weighs them."""
    sizes = [path.stat().st_size for path in texts]
    language = [path.stem.split("_")[0] for path in texts]
    if mix == "bytes":
        return [1.0] * len(texts)
    share = {"files": lambda i: 1 / len(texts),
             "languages": lambda i: 1 / (len(set(language)) * language.count(language[i]))}[mix]
    return [share(i) * sum(sizes) / size for i, size in enumerate(sizes)]


def mean_of(run, count):
    """A model whose weights are the mean of the run's last `count` checkpoints."""
    from safetensors.numpy import load_file, save_file

    found = sorted((run / "checkpoints").iterdir())
    if len(found) < count:
        sys.exit(f"{run}: {len(found)} checkpoints for an average of {count}: set train.checkpoint_every and keep_checkpoints")
    all_weights = [load_file(folder / "model.safetensors") for folder in found[-count:]]
    model = run / "average"
    shutil.copytree(found[-1], model, ignore=shutil.ignore_patterns("optimizer.safetensors", "state.json"))
    (model / "model.safetensors").unlink()
    mean = {name: sum(w[name] for w in all_weights) / count for name in all_weights[0]}
    save_file({name: value.astype(all_weights[0][name].dtype) for name, value in mean.items()}, model / "model.safetensors",
              metadata={"format": "pt"})
    return model


def table(variants, results):
    def error(values, digits):
        return f" ± {statistics.stdev(values) / len(values) ** 0.5:.{digits}f}" if len(values) > 1 else ""

    first = next(iter(variants))
    lines = ["| variant | seeds | million tokens | tokens/s | bits per byte | by language | beside the first |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    by_seed = {name: {seed: result for seed in variant["seeds"] if (result := results.get(identity(variant, seed)))}
               for name, variant in variants.items()}
    for name, runs in by_seed.items():
        if not runs:
            continue
        means = [run["mean"] for run in runs.values()]
        languages = " ".join(f"{statistics.mean(values):.3f}" for values in zip(*(run["languages"] for run in runs.values())))
        apart = [100 * (run["mean"] - by_seed[first][seed]["mean"]) for seed, run in runs.items() if seed in by_seed[first]]
        beside = f"{statistics.mean(apart):+.2f}{error(apart, 2)}" if apart and name != first else ""
        tokens = statistics.mean(run["summary"]["tokens"] for run in runs.values())
        rate = tokens / statistics.mean(run["summary"]["seconds"] for run in runs.values())
        lines.append(f"| {name} | {len(runs)} | {tokens / 1e6:.2f} | {rate:,.0f} | {statistics.mean(means):.3f}{error(means, 3)} "
                     f"| {languages} | {beside} |")
    return "\n".join(lines)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("study", type=pathlib.Path)
    p.add_argument("--data", type=pathlib.Path, required=True)
    p.add_argument("--work", type=pathlib.Path, required=True)
    p.add_argument("--program", type=pathlib.Path, default=ROOT / "target/release/shuyuan")
    p.add_argument("--lanes", type=int, default=1, help="runs at a time, each on its part of the cores (default: 1)")
    p.add_argument("--heldout", type=float, default=0.25, help="the part of each held-out file that is read (default: 0.25)")
    a = p.parse_args()
    variants, study = read_study(a.study), Study(a)
    results = {}
    if study.results.exists():
        results = {one["id"]: one for one in map(json.loads, study.results.read_text().splitlines())}
    # Seed by seed, so that a stopped study has compared all variants with the seeds that it reached.
    seeds = sorted({seed for variant in variants.values() for seed in variant["seeds"]})
    todo = [(name, variant, seed) for seed in seeds for name, variant in variants.items()
            if seed in variant["seeds"] and identity(variant, seed) not in results]
    for _, variant, _ in todo:
        study.corpus(variant)
    lanes = queue.SimpleQueue()
    cores = sorted(os.sched_getaffinity(0))
    for lane in range(a.lanes):
        lanes.put(set(cores[lane::a.lanes]))

    def in_lane(job):
        lane = lanes.get()
        try:
            return study.one(*job, lane)
        finally:
            lanes.put(lane)

    with concurrent.futures.ThreadPoolExecutor(a.lanes) as pool:
        for done in concurrent.futures.as_completed([pool.submit(in_lane, job) for job in todo]):
            result = done.result()
            results[result["id"]] = result
            with open(study.results, "a") as file:
                file.write(json.dumps(result) + "\n")
            print(f"{result['name']}, seed {result['seed']}: {result['mean']:.4f}", file=sys.stderr, flush=True)
    print(table(variants, results))


if __name__ == "__main__":
    main()
