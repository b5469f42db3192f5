// Runs the kernels of attention.cu on a processor and compares them with the formula in double. Prints how far each result is
// off, and ends with 1 if that is more than bf16 explains.
#define EMULATED
#include "attention.cu"

#include <cstdio>
#include <random>

#ifndef B
#define B 2
#endif

static std::vector<bf16> numbers(size_t count, float by, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<bf16> out(count);
    for (auto& x : out) x.bits = rounded(normal(random) * by);
    return out;
}

static double off(const char* name, const std::vector<double>& found, const std::vector<double>& wanted) {
    double far = 0, all = 0;
    for (size_t i = 0; i < found.size(); i++) {
        far += (found[i] - wanted[i]) * (found[i] - wanted[i]);
        all += wanted[i] * wanted[i];
    }
    double off = std::sqrt(far / all);
    std::printf("%s off by %.1e\n", name, off);
    return off;
}

static std::vector<double> wide(const std::vector<bf16>& x) {
    std::vector<double> out;
    for (auto& x : x) out.push_back(widened(x.bits));
    return out;
}

int main() {
    size_t queries = (size_t)B * T * HEADS * D, shared = (size_t)B * T * KV_HEADS * D;
    auto q = numbers(queries, 2 / std::sqrt((float)D), 1), k = numbers(shared, 1, 2), v = numbers(shared, 1, 3);
    auto dout = numbers(queries, 1, 4);
    // Documents: none after the first row's start, then some in the second.
    std::vector<int> starts(B * T);
    for (int b = 0; b < B; b++)
        for (int t = 0; t < T; t++) starts[b * T + t] = b == 0 ? 0 : t >= T * 4 / 5 ? T * 4 / 5 : t >= T / 3 ? T / 3 : 0;

    std::vector<double> out(queries), dq(queries), dk(shared), dv(shared), lse(B * T * HEADS), delta(lse.size());
    for (int b = 0; b < B; b++)
        for (int h = 0; h < HEADS; h++)
            for (int t = 0; t < T; t++) {
                auto at = [&](int s, int heads, int head) { return ((size_t)(b * T + s) * heads + head) * D; };
                size_t here = at(t, HEADS, h);
                int g = h / GROUP, from = starts[b * T + t];
                std::vector<double> p(t + 1), dp(t + 1);
                double sum = 0, along = 0;
                for (int s = from; s <= t; s++) {
                    for (int d = 0; d < D; d++) {
                        p[s] += (double)widened(q[here + d].bits) * widened(k[at(s, KV_HEADS, g) + d].bits);
                        dp[s] += (double)widened(dout[here + d].bits) * widened(v[at(s, KV_HEADS, g) + d].bits);
                    }
                    sum += std::exp(p[s]);
                }
                for (int s = from; s <= t; s++) along += (p[s] = std::exp(p[s]) / sum) * dp[s];
                lse[(b * T + t) * HEADS + h] = std::log(sum);
                delta[(b * T + t) * HEADS + h] = along;
                for (int s = from; s <= t; s++) {
                    double ds = p[s] * (dp[s] - along);
                    size_t there = at(s, KV_HEADS, g);
                    for (int d = 0; d < D; d++) {
                        out[here + d] += p[s] * widened(v[there + d].bits);
                        dv[there + d] += p[s] * widened(dout[here + d].bits);
                        dq[here + d] += ds * widened(k[there + d].bits);
                        dk[there + d] += ds * widened(q[here + d].bits);
                    }
                }
            }

    // What is not written is not a number.
    std::vector<bf16> out_(queries, bf16{0x7fff}), dq_(out_), dk_(shared, bf16{0x7fff}), dv_(dk_);
    std::vector<float> lse_(lse.size(), NAN), delta_(delta.begin(), delta.end());
    unsigned tiles = (T + TILE - 1) / TILE;
    run({tiles, HEADS, B}, [&] { attention_forward(q.data(), k.data(), v.data(), starts.data(), out_.data(), lse_.data()); });
    std::vector<double> sums(lse_.begin(), lse_.end());
    run({tiles, HEADS, B}, [&] {
        attention_dq(q.data(), k.data(), v.data(), starts.data(), dout.data(), lse_.data(), delta_.data(), dq_.data());
    });
    run({tiles, KV_HEADS, B}, [&] {
        attention_dkv(q.data(), k.data(), v.data(), starts.data(), dout.data(), lse_.data(), delta_.data(), dk_.data(), dv_.data());
    });
    bool good = off("out", wide(out_), out) < 5e-3;
    good &= off("lse", sums, lse) < 1e-5;
    good &= off("dq", wide(dq_), dq) < 5e-3;
    good &= off("dk", wide(dk_), dk) < 5e-3;
    good &= off("dv", wide(dv_), dv) < 5e-3;
    return good ? 0 : 1;
}
