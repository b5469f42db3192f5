//! Attention and what prepares its heads.

use super::{BF16, F32, assert_close, gradient, numbers, wide};
use crate::*;

/// B, T, H, K, D.
fn shape([batch, tokens, heads, kv_heads, head_dim]: [usize; 5]) -> AttentionShape {
    AttentionShape { batch, tokens, heads, kv_heads, head_dim }
}

fn attention_oracle(
    s: AttentionShape,
    q: &[f64],
    k: &[f64],
    v: &[f64],
    starts: &[u32],
    scale: f64,
) -> Vec<f64> {
    let (t, d) = (s.tokens, s.head_dim);
    let mut out = vec![0.0; q.len()];
    for i in 0..s.batch * s.heads * t {
        let (b, h, t1) = (i / t / s.heads, i / t % s.heads, i % t);
        let kv = (b * s.kv_heads + h / s.group()) * t;
        let keys = starts[b * t + t1] as usize..=t1;
        let p: Vec<f64> = keys
            .clone()
            .map(|t2| (0..d).map(|j| q[i * d + j] * k[(kv + t2) * d + j]).sum::<f64>() * scale)
            .map(f64::exp)
            .collect();
        let sum: f64 = p.iter().sum();
        for (t2, p) in keys.zip(p) {
            for j in 0..d {
                out[((b * t + t1) * s.heads + h) * d + j] += p / sum * v[(kv + t2) * d + j];
            }
        }
    }
    out
}

/// Documents of odd lengths in each row; `wild` ones start anywhere, which no packing does.
fn starts(s: AttentionShape, wild: bool) -> Vec<u32> {
    (0..s.batch * s.tokens)
        .map(|i| {
            let (b, t) = (i / s.tokens, i % s.tokens);
            (if wild { t * 7919 % (t + 1) * 3 / 5 } else { t / (11 + 9 * b) * (11 + 9 * b) }) as u32
        })
        .collect()
}

#[test]
fn attention_and_its_gradients() {
    for (sizes, wild, precision, tolerance) in [
        ([1, 1, 1, 1, 2], false, Precision::F32, F32),
        ([2, 7, 2, 1, 6], false, Precision::F32, F32),
        ([1, 33, 4, 2, 32], false, Precision::F32, F32),
        ([2, 65, 3, 1, 6], false, Precision::F32, F32),
        ([1, 65, 2, 2, 2], true, Precision::F32, F32),
        ([1, 33, 2, 1, 64], false, Precision::F32, F32),
        ([1, 20, 2, 1, 48], true, Precision::F32, F32),
        ([1, 65, 2, 1, 32], false, Precision::Bf16, BF16),
        ([2, 7, 2, 1, 6], false, Precision::Bf16, BF16),
        ([1, 33, 2, 1, 64], true, Precision::Bf16, BF16),
        ([1, 130, 2, 2, 16], true, Precision::Bf16, BF16),
        ([1, 40, 2, 1, 80], false, Precision::Bf16, BF16),
    ] {
        let s = shape(sizes);
        let q: Vec<f32> = numbers(s.q_len(), 1).iter().map(|x| 3.0 * x).collect();
        let (k, v, dout) = (numbers(s.kv_len(), 2), numbers(s.kv_len(), 3), numbers(s.q_len(), 4));
        let starts = starts(s, wild);
        let scale = 1.0 / (s.head_dim as f32).sqrt();
        let oracle =
            |q: &[f64], k: &[f64], v: &[f64]| attention_oracle(s, q, k, v, &starts, f64::from(scale));
        let (mut out, mut lse) = (vec![9.0; s.q_len()], vec![9.0; s.q_len() / s.head_dim]);
        attention(s, &q, &k, &v, &starts, scale, &mut out, &mut lse, precision);
        let (wq, wk, wv) = (wide(&q), wide(&k), wide(&v));
        assert_close("out", &out, &oracle(&wq, &wk, &wv), tolerance);
        let (mut dq, mut dk, mut dv) = (vec![9.0; q.len()], vec![9.0; k.len()], vec![9.0; v.len()]);
        attention_backward(
            s, &q, &k, &v, &starts, scale, &out, &lse, &dout, &mut dq, &mut dk, &mut dv, precision,
        );
        assert_close("dq", &dq, &gradient(&q, &dout, |q| oracle(q, &wk, &wv)), tolerance);
        assert_close("dk", &dk, &gradient(&k, &dout, |k| oracle(&wq, k, &wv)), tolerance);
        assert_close("dv", &dv, &gradient(&v, &dout, |v| oracle(&wq, &wk, v)), tolerance);
    }
}

#[test]
fn attention_over_several_tiles() {
    for (sizes, wild) in [
        ([1, 300, 2, 1, 32], true),
        ([1, 257, 2, 1, 16], false),
        ([1, 130, 1, 1, 128], false),
        ([1, 191, 2, 1, 40], true),
    ] {
        let s = shape(sizes);
        let (q, k, v) = (numbers(s.q_len(), 1), numbers(s.kv_len(), 2), numbers(s.kv_len(), 3));
        let starts = if wild { starts(s, true) } else { vec![0; s.tokens] };
        let (mut out, mut lse) = (vec![9.0; s.q_len()], vec![9.0; s.q_len() / s.head_dim]);
        for (precision, tolerance) in [(Precision::F32, F32), (Precision::Bf16, BF16)] {
            attention(s, &q, &k, &v, &starts, 0.3, &mut out, &mut lse, precision);
            let expected = attention_oracle(s, &wide(&q), &wide(&k), &wide(&v), &starts, f64::from(0.3f32));
            assert_close("out", &out, &expected, tolerance);
        }
    }
}

#[test]
fn scores_far_apart_stay_finite() {
    let s = shape([1, 70, 1, 1, 2]);
    let q = [1.0, 0.0].repeat(70);
    for precision in [Precision::F32, Precision::Bf16] {
        // The greatest score is a query's own, or that of the first key.
        for (slope, greatest) in [(8.0, None), (-8.0, Some(0))] {
            let k: Vec<f32> = (0..70).flat_map(|t| [slope * (t as f32 - 35.0), 1.0]).collect();
            let (mut out, mut lse) = (vec![0.0; 140], vec![0.0; 70]);
            attention(s, &q, &k, &k, &[0; 70], 1.0, &mut out, &mut lse, precision);
            for t in 0..70 {
                let expected = k[2 * greatest.unwrap_or(t)];
                assert!((out[2 * t] - expected).abs() < 0.01 && (lse[t] - expected).abs() < 0.01, "{t}");
            }
        }
    }
}

/// Rounded to bf16 the scores lie hundreds under what they are in f32.
#[test]
fn scores_that_rounding_moves_far_stay_finite() {
    let (q, v) = ([300.99, 0.0].repeat(40), [1.0, 2.0].repeat(40));
    for precision in [Precision::F32, Precision::Bf16] {
        let (mut out, mut lse) = (vec![0.0; 80], vec![0.0; 40]);
        attention(shape([1, 40, 1, 1, 2]), &q, &q, &v, &[0; 40], 1.0, &mut out, &mut lse, precision);
        for (t, out) in out.chunks(2).enumerate() {
            let finite = (lse[t] / 90_594.0 - 1.0).abs() < 0.01;
            assert!((out[0] - 1.0).abs() < 1e-3 && (out[1] - 2.0).abs() < 1e-3 && finite, "{t}: {out:?}");
        }
    }
}

fn qk_norm_rope_oracle(
    s: AttentionShape,
    qkv: &[f64],
    norms: [&[f64]; 2],
    cos: &[f32],
    sin: &[f32],
) -> Vec<f64> {
    let (t, d, h, kv) = (s.tokens, s.head_dim, s.heads, s.kv_heads);
    let mut out = Vec::new();
    for (first, heads, norm) in [(0, h, Some(norms[0])), (h, kv, Some(norms[1])), (h + kv, kv, None)] {
        for i in 0..s.batch * heads * t {
            let (b, head, t1) = (i / t / heads, first + i / t % heads, i % t);
            let x = &qkv[(b * t + t1) * s.qkv_width() + head * d..][..d];
            let Some(norm) = norm else {
                out.extend(x);
                continue;
            };
            let rstd = 1.0 / (x.iter().map(|x| x * x).sum::<f64>() / d as f64 + 1e-2).sqrt();
            let n: Vec<f64> = x.iter().zip(norm).map(|(x, w)| x * rstd * w).collect();
            out.extend((0..d).map(|j| {
                let at = t1 * d / 2 + j % (d / 2);
                let turned = if j < d / 2 { -n[j + d / 2] } else { n[j - d / 2] };
                n[j] * f64::from(cos[at]) + turned * f64::from(sin[at])
            }));
        }
    }
    out
}

#[test]
fn qk_norm_rope_and_its_gradients() {
    for sizes in [[1, 1, 1, 1, 2], [2, 7, 4, 2, 6], [1, 5, 2, 1, 32], [1, 3, 2, 1, 80]] {
        let s = shape(sizes);
        let d = s.head_dim;
        let qkv = numbers(s.batch * s.tokens * s.qkv_width(), 1);
        let (qn, kn) = (numbers(d, 2), numbers(d, 3));
        // More rows than tokens, and no real angles: the kernel must read just these.
        let (cos, sin) = (numbers((s.tokens + 2) * d / 2, 4), numbers((s.tokens + 2) * d / 2, 5));
        let oracle = |x: &[f64], qn: &[f64], kn: &[f64]| qk_norm_rope_oracle(s, x, [qn, kn], &cos, &sin);
        let (mut q, mut k, mut v) = (vec![9.0; s.q_len()], vec![9.0; s.kv_len()], vec![9.0; s.kv_len()]);
        qk_norm_rope(s, &qkv, &qn, &kn, 1e-2, &cos, &sin, &mut q, &mut k, &mut v);
        let (wx, wqn, wkn) = (wide(&qkv), wide(&qn), wide(&kn));
        assert_close("q, k, v", &[q, k, v].concat(), &oracle(&wx, &wqn, &wkn), F32);
        let dout = numbers(qkv.len(), 6);
        let (dq, rest) = dout.split_at(s.q_len());
        let (dk, dv) = rest.split_at(s.kv_len());
        let (mut dqkv, mut dqn, mut dkn) = (vec![9.0; qkv.len()], vec![1.0; d], vec![1.0; d]);
        qk_norm_rope_backward(s, &qkv, &qn, &kn, 1e-2, &cos, &sin, dq, dk, dv, &mut dqkv, &mut dqn, &mut dkn);
        assert_close("dqkv", &dqkv, &gradient(&qkv, &dout, |x| oracle(x, &wqn, &wkn)), F32);
        let plus_one = |x: Vec<f64>| x.iter().map(|x| x + 1.0).collect::<Vec<_>>();
        assert_close("dq_norm", &dqn, &plus_one(gradient(&qn, &dout, |w| oracle(&wx, w, &wkn))), F32);
        assert_close("dk_norm", &dkn, &plus_one(gradient(&kn, &dout, |w| oracle(&wx, &wqn, w))), F32);
    }
}
