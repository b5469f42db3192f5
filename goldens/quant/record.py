#!/usr/bin/env python3
"""Records what ggml makes of quantized blocks, for crates/kernels/src/quant.

    python goldens/quant/record.py          # gguf 0.19, numpy 2, libggml-base of llama.cpp (see --ggml)

Writes blocks.bin: for each type, random valid blocks and the numbers that gguf.dequantize makes of them (checked against
ggml's own C code, bit for bit): ggml's number of the type (u32), blocks (u32), their bytes, the numbers (f32).
And ggml_errors.txt: for each type that can be written and each kind of rows, with importance and without, the error that
ggml_quantize_chunk leaves, and a checksum of its bytes. The rows are drawn by arithmetic that Rust repeats to the last bit.
"""

import argparse
import ctypes
import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = pathlib.Path("~/.cache/shuyuan-peers/llama.cpp/bin/libggml-base.so").expanduser()
READ = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"]
WRITTEN = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
# Where the half-precision scales of a block are.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0]}
ROWS, COLUMNS = 64, 1024


def splitmix(seed, count):
    """The first `count` numbers of splitmix64, each from its index alone."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(seed, count):
    return (splitmix(seed, count) >> np.uint64(11)).astype(np.float64) * 2.0 ** -53


def gaussian(seed, count):
    """Sums of twelve uniform numbers, less 6: mean 0, variance 1."""
    u = uniform(seed, count * 12).reshape(count, 12)
    total = np.zeros(count)
    for i in range(12):
        total = total + u[:, i]
    return total - 6.0


def rows(kind):
    g = gaussian(1, ROWS * COLUMNS)
    x = {"gaussian": g * 0.02, "heavy": g * g * g * 0.02, "shifted": g * 0.02 + 0.05}[kind]
    return x.astype(np.float32).reshape(ROWS, COLUMNS)


def importance():
    u = uniform(2, COLUMNS)
    return (0.01 + u * u * u).astype(np.float32)


def fnv(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def random_blocks(name, rng):
    elements, size = gguf.GGML_QUANT_SIZES[T[name]]
    count = max(1, 1024 // elements) if elements > 1 else 128
    finite = rng.standard_normal((count, 2)).astype(np.float16)
    finite[0] = [6e-8, -0.0]  # the smallest subnormal, and the other zero
    if name in ("F16", "BF16", "F32"):
        values = rng.standard_normal(count).astype(np.float32) * 3
        if name == "F16":
            return np.concatenate([finite[:, 0], values.astype(np.float16)]).view(np.uint8).reshape(-1, 2)
        return gguf.quantize(values, T[name]).view(np.uint8).reshape(-1, size)
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for i, at in enumerate(SCALES[name]):
        blocks[:, at:at + 2] = finite[:, i].copy().view(np.uint8).reshape(-1, 2)
    return blocks


def ggml_dequantize(ggml, name, blocks, count):
    out = np.empty(count, dtype=np.float32)
    functions = {"F16": "ggml_fp16_to_fp32_row", "BF16": "ggml_bf16_to_fp32_row"}
    symbol = functions.get(name, f"dequantize_row_{name.lower().replace('_k', '_K')}")
    function = getattr(ggml, symbol)
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    function.restype = None
    data = np.ascontiguousarray(blocks)
    function(data.ctypes.data, out.ctypes.data, count)
    return out


def ggml_quantize(ggml, name, x, weights):
    elements, size = gguf.GGML_QUANT_SIZES[T[name]]
    out = np.zeros(x.size // elements * size, dtype=np.uint8)
    function = ggml.ggml_quantize_chunk
    function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64,
                         ctypes.c_void_p]
    function.restype = ctypes.c_size_t
    written = function(int(T[name]), x.ctypes.data, out.ctypes.data, 0, x.shape[0], x.shape[1],
                       None if weights is None else weights.ctypes.data)
    assert written == out.size, name
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ggml", type=pathlib.Path, default=LIBRARY, help="libggml-base.so of llama.cpp (default: %(default)s)")
    ggml = ctypes.CDLL(str(p.parse_args().ggml))

    rng = np.random.default_rng(7)
    with open(HERE / "blocks.bin", "wb") as file:
        for name in READ:
            blocks = random_blocks(name, rng)
            numbers = gguf.dequantize(blocks, T[name]).astype(np.float32).ravel()
            assert np.isfinite(numbers).all(), name
            if name != "F32":
                own = ggml_dequantize(ggml, name, blocks, numbers.size)
                assert own.tobytes() == numbers.tobytes(), f"{name}: gguf.dequantize and ggml disagree"
            file.write(np.array([int(T[name]), len(blocks)], dtype="<u4").tobytes() + blocks.tobytes() + numbers.tobytes())

    lines = ["# type rows importance sum_of_w_times_squared_error fnv1a64_of_the_bytes"]
    w = importance()
    for name in WRITTEN:
        for kind in ("gaussian", "heavy", "shifted"):
            x = rows(kind)
            for label, weights in (("none", None), ("columns", w)):
                data = ggml_quantize(ggml, name, x, weights)
                size = gguf.GGML_QUANT_SIZES[T[name]][1]
                y = gguf.dequantize(data.reshape(-1, size), T[name]).astype(np.float64).reshape(x.shape)
                error = ((y - x) ** 2 * (1.0 if weights is None else w.astype(np.float64))).sum()
                lines.append(f"{name} {kind} {label} {error:.9e} {fnv(data.tobytes()):016x}")
    (HERE / "ggml_errors.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
