// Causal attention within documents, forward and backward, without the T by T matrix in memory.
//
// After FlashAttention-2 (arXiv:2307.08691), by hand for bf16 and the m16n8k16 product of Ampere and later. T, D, HEADS and
// KV_HEADS are defined by who compiles it; B comes with the launch.
//
// q, out, dout, dq: (B, T, HEADS, D). k, v, dk, dv: (B, T, KV_HEADS, D). All bf16. starts: (B, T), what a query may look
// at begins there; it never falls along a row. lse, delta: (B, T, HEADS), f32. Scores are of q as it comes: it has been
// divided by the root of D.
//
// Four warps of 16 rows make a tile of 64. `mma` gives a warp's 16 by 8 numbers so: lane l has those of rows l / 4 and
// l / 4 + 8, columns 2 (l % 4) and the next. Two such pieces side by side, rounded, are the left factor of 16 terms.
#ifdef EMULATED
#include "emulated.h" // tests/cuda: the same on a processor
#else
#include <cuda_bf16.h>
#endif

typedef __nv_bfloat16 bf16;
typedef unsigned int u32;

#define TILE 64
#define WARPS 4
#define STEPS (D / 16)     // of 16 terms, along a head
#define BLOCKS (D / 8)     // of 8 columns, along a head
#define GROUP (HEADS / KV_HEADS)
#define STRIDE (D + 8)     // of a row in shared memory: eight rows lie in different banks
#define NEVER (-1e30f)

#ifndef EMULATED
__device__ __forceinline__ void mma(float* c, const u32* a, u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ void load4(u32* r, const bf16* at) {
    u32 address = (u32)__cvta_generic_to_shared(at);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address));
}

__device__ __forceinline__ void load4_turned(u32* r, const bf16* at) {
    u32 address = (u32)__cvta_generic_to_shared(at);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address));
}

__device__ __forceinline__ u32 pack(float a, float b) {
    __nv_bfloat162 both = __floats2bfloat162_rn(a, b);
    return *reinterpret_cast<u32*>(&both);
}
#endif

// Rows `from` to `from + 64` of one head into shared memory; zeros past the end. `stride` is that of rows in memory.
__device__ __forceinline__ void fetch(bf16* to, const bf16* x, int from, int stride) {
    const int vectors = D / 8; // of 16 bytes
    for (int i = threadIdx.x; i < TILE * vectors; i += 32 * WARPS) {
        int row = i / vectors, col = i % vectors * 8;
        uint4 value = make_uint4(0, 0, 0, 0);
        if (from + row < T) value = *reinterpret_cast<const uint4*>(x + (long long)(from + row) * stride + col);
        *reinterpret_cast<uint4*>(to + row * STRIDE + col) = value;
    }
}

// The warp's 16 rows as left factors of all terms along a head.
__device__ __forceinline__ void left(u32 (*a)[4], const bf16* tile, int warp, int lane) {
#pragma unroll
    for (int s = 0; s < STEPS; s++) load4(a[s], tile + (warp * 16 + lane % 16) * STRIDE + s * 16 + lane / 16 * 8);
}

// c (16, 64) = a · tileᵀ: every row of the tile with every row of the warp.
__device__ __forceinline__ void rows_with_rows(float (*c)[4], u32 (*a)[4], const bf16* tile, int lane) {
#pragma unroll
    for (int n = 0; n < 8; n += 2) {
        c[n][0] = c[n][1] = c[n][2] = c[n][3] = 0.f;
        c[n + 1][0] = c[n + 1][1] = c[n + 1][2] = c[n + 1][3] = 0.f;
#pragma unroll
        for (int s = 0; s < STEPS; s++) {
            u32 b[4];
            load4(b, tile + (n * 8 + lane % 8 + lane / 16 * 8) * STRIDE + s * 16 + lane / 8 % 2 * 8);
            mma(c[n], a[s], b[0], b[1]);
            mma(c[n + 1], a[s], b[2], b[3]);
        }
    }
}

// c (16, D) += p (16, 64) · tile: p is rounded.
__device__ __forceinline__ void add_weighted(float (*c)[4], float (*p)[4], const bf16* tile, int lane) {
#pragma unroll
    for (int s = 0; s < 4; s++) {
        u32 a[4] = {pack(p[2 * s][0], p[2 * s][1]), pack(p[2 * s][2], p[2 * s][3]),
                    pack(p[2 * s + 1][0], p[2 * s + 1][1]), pack(p[2 * s + 1][2], p[2 * s + 1][3])};
#pragma unroll
        for (int n = 0; n < BLOCKS; n += 2) {
            u32 b[4];
            load4_turned(b, tile + (s * 16 + lane % 16) * STRIDE + n * 8 + lane / 16 * 8);
            mma(c[n], a, b[0], b[1]);
            mma(c[n + 1], a, b[2], b[3]);
        }
    }
}

__device__ __forceinline__ void store(bf16* to, float (*c)[4], int row, int stride, int lane, float by0, float by1) {
#pragma unroll
    for (int n = 0; n < BLOCKS; n++) {
        int col = n * 8 + lane % 4 * 2;
        if (row < T) *reinterpret_cast<u32*>(to + (long long)row * stride + col) = pack(c[n][0] * by0, c[n][1] * by0);
        if (row + 8 < T) *reinterpret_cast<u32*>(to + (long long)(row + 8) * stride + col) = pack(c[n][2] * by1, c[n][3] * by1);
    }
}

// Over the four lanes that share a row.
__device__ __forceinline__ float most(float x) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, 1));
    return fmaxf(x, __shfl_xor_sync(0xffffffff, x, 2));
}

__device__ __forceinline__ float total(float x) {
    x += __shfl_xor_sync(0xffffffff, x, 1);
    return x + __shfl_xor_sync(0xffffffff, x, 2);
}

// Grid: (tiles of queries, HEADS, B). The last tiles have the most to do: they go first.
extern "C" __global__ void __launch_bounds__(32 * WARPS) attention_forward(
    const bf16* __restrict__ q, const bf16* __restrict__ k, const bf16* __restrict__ v, const int* __restrict__ starts,
    bf16* __restrict__ out, float* __restrict__ lse) {
    __shared__ __align__(16) bf16 keys[TILE * STRIDE], values[TILE * STRIDE];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int first = (gridDim.x - 1 - blockIdx.x) * TILE, head = blockIdx.y, b = blockIdx.z;
    long long queries = ((long long)b * T * HEADS + head) * D, shared = ((long long)b * T * KV_HEADS + head / GROUP) * D;
    fetch(keys, q + queries, first, HEADS * D);
    __syncthreads();
    u32 a[STEPS][4];
    left(a, keys, warp, lane);
    __syncthreads();
    int row = first + warp * 16 + lane / 4;
    int start0 = row < T ? starts[b * T + row] : 0, start1 = row + 8 < T ? starts[b * T + row + 8] : 0;
    float sum[BLOCKS][4] = {}, most0 = NEVER, most1 = NEVER, total0 = 0.f, total1 = 0.f;
    for (int from = starts[b * T + first] / TILE * TILE; from <= first; from += TILE) {
        fetch(keys, k + shared, from, KV_HEADS * D);
        fetch(values, v + shared, from, KV_HEADS * D);
        __syncthreads();
        float p[8][4];
        rows_with_rows(p, a, keys, lane);
        float top0 = most0, top1 = most1;
#pragma unroll
        for (int n = 0; n < 8; n++)
#pragma unroll
            for (int e = 0; e < 2; e++) {
                int key = from + n * 8 + lane % 4 * 2 + e;
                if (key > row || key < start0) p[n][e] = NEVER;
                if (key > row + 8 || key < start1) p[n][2 + e] = NEVER;
                top0 = fmaxf(top0, p[n][e]);
                top1 = fmaxf(top1, p[n][2 + e]);
            }
        top0 = most(top0);
        top1 = most(top1);
        float keep0 = __expf(most0 - top0), keep1 = __expf(most1 - top1), added0 = 0.f, added1 = 0.f;
        // A row that has met no key of its own yet has NEVER at the top: its weights must not become ones.
        float base0 = top0 == NEVER ? 0.f : top0, base1 = top1 == NEVER ? 0.f : top1;
#pragma unroll
        for (int n = 0; n < 8; n++)
#pragma unroll
            for (int e = 0; e < 2; e++) {
                added0 += p[n][e] = __expf(p[n][e] - base0);
                added1 += p[n][2 + e] = __expf(p[n][2 + e] - base1);
            }
        total0 = total0 * keep0 + total(added0);
        total1 = total1 * keep1 + total(added1);
        most0 = top0;
        most1 = top1;
#pragma unroll
        for (int n = 0; n < BLOCKS; n++) {
            sum[n][0] *= keep0;
            sum[n][1] *= keep0;
            sum[n][2] *= keep1;
            sum[n][3] *= keep1;
        }
        add_weighted(sum, p, values, lane);
        __syncthreads();
    }
    store(out + queries, sum, row, HEADS * D, lane, 1.f / total0, 1.f / total1);
    if (lane % 4 == 0) {
        if (row < T) lse[((long long)b * T + row) * HEADS + head] = most0 + __logf(total0);
        if (row + 8 < T) lse[((long long)b * T + row + 8) * HEADS + head] = most1 + __logf(total1);
    }
}

// Grid: as of attention_forward.
extern "C" __global__ void __launch_bounds__(32 * WARPS) attention_dq(
    const bf16* __restrict__ q, const bf16* __restrict__ k, const bf16* __restrict__ v, const int* __restrict__ starts,
    const bf16* __restrict__ dout, const float* __restrict__ lse, const float* __restrict__ delta, bf16* __restrict__ dq) {
    __shared__ __align__(16) bf16 keys[TILE * STRIDE], values[TILE * STRIDE];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int first = (gridDim.x - 1 - blockIdx.x) * TILE, head = blockIdx.y, b = blockIdx.z;
    long long queries = ((long long)b * T * HEADS + head) * D, shared = ((long long)b * T * KV_HEADS + head / GROUP) * D;
    fetch(keys, q + queries, first, HEADS * D);
    fetch(values, dout + queries, first, HEADS * D);
    __syncthreads();
    u32 a[STEPS][4], da[STEPS][4];
    left(a, keys, warp, lane);
    left(da, values, warp, lane);
    __syncthreads();
    int row = first + warp * 16 + lane / 4;
    int start0 = row < T ? starts[b * T + row] : 0, start1 = row + 8 < T ? starts[b * T + row + 8] : 0;
    long long at0 = ((long long)b * T + row) * HEADS + head, at1 = at0 + 8 * HEADS;
    float lse0 = row < T ? lse[at0] : 0.f, lse1 = row + 8 < T ? lse[at1] : 0.f;
    float delta0 = row < T ? delta[at0] : 0.f, delta1 = row + 8 < T ? delta[at1] : 0.f;
    float sum[BLOCKS][4] = {};
    for (int from = starts[b * T + first] / TILE * TILE; from <= first; from += TILE) {
        fetch(keys, k + shared, from, KV_HEADS * D);
        fetch(values, v + shared, from, KV_HEADS * D);
        __syncthreads();
        float p[8][4], dp[8][4];
        rows_with_rows(p, a, keys, lane);
        rows_with_rows(dp, da, values, lane);
#pragma unroll
        for (int n = 0; n < 8; n++)
#pragma unroll
            for (int e = 0; e < 2; e++) {
                int key = from + n * 8 + lane % 4 * 2 + e;
                bool seen0 = key <= row && key >= start0, seen1 = key <= row + 8 && key >= start1;
                p[n][e] = seen0 ? __expf(p[n][e] - lse0) * (dp[n][e] - delta0) : 0.f;
                p[n][2 + e] = seen1 ? __expf(p[n][2 + e] - lse1) * (dp[n][2 + e] - delta1) : 0.f;
            }
        add_weighted(sum, p, keys, lane);
        __syncthreads();
    }
    store(dq + queries, sum, row, HEADS * D, lane, 1.f, 1.f);
}

// Grid: (tiles of keys, KV_HEADS, B). Rows are keys here, columns queries.
extern "C" __global__ void __launch_bounds__(32 * WARPS) attention_dkv(
    const bf16* __restrict__ q, const bf16* __restrict__ k, const bf16* __restrict__ v, const int* __restrict__ starts,
    const bf16* __restrict__ dout, const float* __restrict__ lse, const float* __restrict__ delta, bf16* __restrict__ dk,
    bf16* __restrict__ dv) {
    __shared__ __align__(16) bf16 asked[TILE * STRIDE], wanted[TILE * STRIDE];
    __shared__ float lses[TILE], deltas[TILE];
    __shared__ int begins[TILE];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int first = blockIdx.x * TILE, shared_head = blockIdx.y, b = blockIdx.z;
    long long shared = ((long long)b * T * KV_HEADS + shared_head) * D;
    fetch(asked, k + shared, first, KV_HEADS * D);
    fetch(wanted, v + shared, first, KV_HEADS * D);
    __syncthreads();
    u32 a[STEPS][4], va[STEPS][4];
    left(a, asked, warp, lane);
    left(va, wanted, warp, lane);
    __syncthreads();
    int row = first + warp * 16 + lane / 4;
    float dk_sum[BLOCKS][4] = {}, dv_sum[BLOCKS][4] = {};
    for (int head = shared_head * GROUP; head < (shared_head + 1) * GROUP; head++) {
        long long queries = ((long long)b * T * HEADS + head) * D;
        for (int from = first; from < T; from += TILE) {
            // Documents that begin after these keys see none of them, nor do those after.
            if (starts[b * T + from] >= first + TILE) break;
            fetch(asked, q + queries, from, HEADS * D);
            fetch(wanted, dout + queries, from, HEADS * D);
            if (threadIdx.x < TILE) {
                int query = from + threadIdx.x;
                long long at = ((long long)b * T + query) * HEADS + head;
                lses[threadIdx.x] = query < T ? lse[at] : 0.f;
                deltas[threadIdx.x] = query < T ? delta[at] : 0.f;
                begins[threadIdx.x] = query < T ? starts[b * T + query] : 0x7fffffff;
            }
            __syncthreads();
            float p[8][4], dp[8][4];
            rows_with_rows(p, a, asked, lane);
#pragma unroll
            for (int n = 0; n < 8; n++)
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    int col = n * 8 + lane % 4 * 2 + e, query = from + col;
                    bool seen0 = row <= query && row >= begins[col], seen1 = row + 8 <= query && row + 8 >= begins[col];
                    p[n][e] = seen0 ? __expf(p[n][e] - lses[col]) : 0.f;
                    p[n][2 + e] = seen1 ? __expf(p[n][2 + e] - lses[col]) : 0.f;
                }
            add_weighted(dv_sum, p, wanted, lane);
            rows_with_rows(dp, va, wanted, lane);
#pragma unroll
            for (int n = 0; n < 8; n++)
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    int col = n * 8 + lane % 4 * 2 + e;
                    p[n][e] *= dp[n][e] - deltas[col];
                    p[n][2 + e] *= dp[n][2 + e] - deltas[col];
                }
            add_weighted(dk_sum, p, asked, lane);
            __syncthreads();
        }
    }
    store(dk + shared, dk_sum, row, KV_HEADS * D, lane, 1.f, 1.f);
    store(dv + shared, dv_sum, row, KV_HEADS * D, lane, 1.f, 1.f);
}
