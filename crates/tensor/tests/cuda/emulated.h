// Enough of CUDA to run the kernels of attention.cu on a processor: a thread for each of a block's, barriers where a warp
// works together. What the instructions do is PTX's own definition of them (PTX ISA 8.7: 9.7.14.5.8, 9.7.14.5.15).
#pragma once
#include <barrier>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __shared__ static // blocks run one after another

struct dim3 { unsigned x = 1, y = 1, z = 1; };
struct uint4 { uint32_t x, y, z, w; };
inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) { return {x, y, z, w}; }

thread_local dim3 threadIdx, blockIdx;
inline dim3 gridDim;

struct __nv_bfloat16 { uint16_t bits; };
inline float widened(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float x;
    std::memcpy(&x, &wide, 4);
    return x;
}
inline uint16_t rounded(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline std::unique_ptr<std::barrier<>> of_block, of_warp[4];
inline void __syncthreads() { of_block->arrive_and_wait(); }

// What the lanes of a warp hand each other.
inline struct Exchange { uint32_t words[32][8]; float floats[32]; const uint16_t* rows[32]; } exchange[4];
inline int warp_of() { return threadIdx.x / 32; }
inline int lane_of() { return threadIdx.x % 32; }
inline void meet() { of_warp[warp_of()]->arrive_and_wait(); }

inline float __shfl_xor_sync(unsigned, float x, int by) {
    Exchange& e = exchange[warp_of()];
    e.floats[lane_of()] = x;
    meet();
    float other = e.floats[lane_of() ^ by];
    meet();
    return other;
}

// c (16, 8) += a (16, 16) · b (16, 8).
inline void mma(float* c, const uint32_t* a, uint32_t b0, uint32_t b1) {
    Exchange& e = exchange[warp_of()];
    uint32_t mine[8] = {a[0], a[1], a[2], a[3], b0, b1, 0, 0};
    std::memcpy(e.words[lane_of()], mine, sizeof mine);
    meet();
    auto half = [](uint32_t word, int at) { return widened(at ? word >> 16 : word & 0xffff); };
    auto left = [&](int row, int k) { // a: registers by row half, then by half of the terms
        return half(e.words[row % 8 * 4 + k % 8 / 2][row / 8 + 2 * (k / 8)], k % 2);
    };
    auto right = [&](int k, int col) { return half(e.words[col * 4 + k % 8 / 2][4 + k / 8], k % 2); };
    for (int i = 0; i < 4; i++) {
        int row = lane_of() / 4 + i / 2 * 8, col = lane_of() % 4 * 2 + i % 2;
        for (int k = 0; k < 16; k++) c[i] += left(row, k) * right(k, col);
    }
    meet();
}

// Four matrices of 8 by 8: lanes 0 to 7 say where the rows of the first are, 8 to 15 of the second, and so on.
inline void load(uint32_t* r, const __nv_bfloat16* at, bool turned) {
    Exchange& e = exchange[warp_of()];
    e.rows[lane_of()] = &at->bits;
    meet();
    int row = lane_of() / 4, col = lane_of() % 4 * 2;
    for (int m = 0; m < 4; m++) {
        const uint16_t low = turned ? e.rows[m * 8 + col][row] : e.rows[m * 8 + row][col];
        const uint16_t high = turned ? e.rows[m * 8 + col + 1][row] : e.rows[m * 8 + row][col + 1];
        r[m] = low | (uint32_t)high << 16;
    }
    meet();
}
inline void load4(uint32_t* r, const __nv_bfloat16* at) { load(r, at, false); }
inline void load4_turned(uint32_t* r, const __nv_bfloat16* at) { load(r, at, true); }
inline uint32_t pack(float a, float b) { return rounded(a) | (uint32_t)rounded(b) << 16; }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
using std::fmaxf;

// Every block of a grid, 128 threads each.
template <class Kernel> void run(dim3 grid, Kernel kernel) {
    gridDim = grid;
    of_block = std::make_unique<std::barrier<>>(128);
    for (auto& warp : of_warp) warp = std::make_unique<std::barrier<>>(32);
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 128; t++)
        threads.emplace_back([=] {
            threadIdx = {t, 0, 0};
            for (unsigned z = 0; z < grid.z; z++)
                for (unsigned y = 0; y < grid.y; y++)
                    for (unsigned x = 0; x < grid.x; x++) {
                        blockIdx = {x, y, z};
                        of_block->arrive_and_wait();
                        kernel();
                        of_block->arrive_and_wait();
                    }
        });
    for (auto& thread : threads) thread.join();
}
