#!/usr/bin/env python3
"""The attention kernels of crates/tensor/src/cuda/attention.cu against PyTorch in f32, and their time beside its own.

Needs an NVIDIA GPU, PyTorch and CuPy. Documents of random lengths, rows that are no multiple of a tile. Ends with 1 where a
result is farther off than bf16 explains.
"""

import math
import pathlib
import sys

import cupy
import numpy
import torch
import torch.nn.functional as F

SOURCE = pathlib.Path(__file__).parent.parent / "crates/tensor/src/cuda/attention.cu"


def kernels(t, heads, kv_heads, d):
    options = ("-std=c++17", f"-DT={t}", f"-DHEADS={heads}", f"-DKV_HEADS={kv_heads}", f"-DD={d}", "-I/usr/local/cuda/include")
    module = cupy.RawModule(code=SOURCE.read_text(), options=options, backend="nvrtc")
    return [module.get_function(f"attention_{name}") for name in ("forward", "dq", "dkv")]


def run(kernel, grid, *tensors):
    kernel(grid, (128,), tuple(numpy.uint64(x.data_ptr()) for x in tensors))


def starts_of(b, t, documents):
    """(B, T): where the document of each position begins."""
    starts = torch.zeros(b, t, dtype=torch.int32)
    for row in range(b):
        for at in sorted(torch.randint(1, max(t, 2), (documents,)).tolist()):
            starts[row, at:] = at
    return starts.cuda()


def reference(q, k, v, starts, group):
    k, v = (x.repeat_interleave(group, 2) for x in (k, v))
    scores = torch.einsum("bthd,bshd->bhts", q, k)
    place = torch.arange(q.shape[1], device="cuda")
    seen = (place[None, None] <= place[None, :, None]) & (place[None, None] >= starts[:, :, None])
    scores = scores.masked_fill(~seen[:, None], -math.inf)
    return torch.einsum("bhts,bshd->bthd", scores.softmax(-1), v), scores.logsumexp(-1).transpose(1, 2)


def check(b, t, heads, kv_heads, d, documents):
    q = torch.randn(b, t, heads, d, device="cuda") / math.sqrt(d) * 2
    k, v = (torch.randn(b, t, kv_heads, d, device="cuda") for _ in range(2))
    dout = torch.randn(b, t, heads, d, device="cuda")
    q, k, v, dout = (x.bfloat16() for x in (q, k, v, dout))
    starts = starts_of(b, t, documents)
    forward, dq_kernel, dkv_kernel = kernels(t, heads, kv_heads, d)
    tiles = (t + 63) // 64
    out, lse = torch.full_like(q, math.nan), torch.full((b, t, heads), math.nan, device="cuda")
    run(forward, (tiles, heads, b), q, k, v, starts, out, lse)
    delta = (dout.float() * out.float()).sum(-1).contiguous()
    dq, dk, dv = (torch.full_like(x, math.nan) for x in (q, k, v))
    run(dq_kernel, (tiles, heads, b), q, k, v, starts, dout, lse, delta, dq)
    run(dkv_kernel, (tiles, kv_heads, b), q, k, v, starts, dout, lse, delta, dk, dv)
    torch.cuda.synchronize()
    leaves = [x.float().requires_grad_() for x in (q, k, v)]
    wanted, sums = reference(*leaves, starts, heads // kv_heads)
    wanted.backward(dout.float())
    off = lambda a, b: ((a.float() - b).norm() / b.norm()).item()
    found = [off(out, wanted), off(lse, sums), *(off(a, b.grad) for a, b in zip((dq, dk, dv), leaves))]
    print(f"B {b} T {t} H {heads} K {kv_heads} D {d}, {documents} documents: out, lse, dq, dk, dv off by",
          " ".join(f"{x:.1e}" for x in found))
    return all(x < 1e-2 for x in found)


def timed(f, times=20):
    for _ in range(3):
        f()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(times):
        f()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / times


def times(b, t, heads, kv_heads, d):
    q, dout = (torch.randn(b, t, heads, d, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    q = q / math.sqrt(d)
    k, v = (torch.randn(b, t, kv_heads, d, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    starts = torch.zeros(b, t, dtype=torch.int32, device="cuda")
    forward, dq_kernel, dkv_kernel = kernels(t, heads, kv_heads, d)
    out, lse = torch.empty_like(q), torch.empty(b, t, heads, device="cuda")
    dq, dk, dv, delta = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v), torch.zeros_like(lse)
    tiles = (t + 63) // 64
    ours = timed(lambda: run(forward, (tiles, heads, b), q, k, v, starts, out, lse))
    back_q = timed(lambda: run(dq_kernel, (tiles, heads, b), q, k, v, starts, dout, lse, delta, dq))
    back_kv = timed(lambda: run(dkv_kernel, (tiles, kv_heads, b), q, k, v, starts, dout, lse, delta, dk, dv))
    a, c, e = (x.transpose(1, 2).repeat_interleave(heads // x.shape[2], 1).contiguous().requires_grad_() for x in (q, k, v))
    theirs = timed(lambda: F.scaled_dot_product_attention(a, c, e, is_causal=True))
    y = F.scaled_dot_product_attention(a, c, e, is_causal=True)
    g = dout.transpose(1, 2).contiguous()
    theirs_back = timed(lambda: torch.autograd.grad(y, (a, c, e), g, retain_graph=True))
    flop = 2 * b * heads * t * t * d  # causal, two products
    print(f"B {b} T {t} H {heads} K {kv_heads} D {d}: forward {ours:.3f} ms ({flop / ours / 1e9:.0f} TFLOP/s), PyTorch {theirs:.3f};"
          f" backward {back_q:.3f} + {back_kv:.3f} ms, PyTorch {theirs_back:.3f}")


def main():
    torch.manual_seed(0)
    good = [check(*shape) for shape in ((2, 256, 4, 2, 64, 0), (3, 200, 6, 2, 64, 3), (1, 77, 4, 4, 32, 2),
                                        (2, 517, 4, 1, 128, 5), (1, 1, 2, 1, 64, 0))]
    times(32, 1024, 12, 4, 64)
    times(64, 512, 8, 2, 64)
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
