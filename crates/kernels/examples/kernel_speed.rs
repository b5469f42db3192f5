//! How long each kernel takes at the shapes of a training step of 2M parameters: a line of JSON for each.
//!
//! `cargo run --release -p shuyuan-kernels --example kernel_speed [NAME]`

use shuyuan_kernels::*;
use std::time::Instant;

const B: usize = 8;
const T: usize = 512;
const N: usize = B * T;
const C: usize = 128;
const I: usize = 512;
const V: usize = 6400;
const SHAPE: AttentionShape = AttentionShape { batch: B, tokens: T, heads: 4, kv_heads: 2, head_dim: 32 };

fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + 13) % 1009) as f32 / 504.0 - 1.0).collect()
}

/// The median and the fastest of some runs; `work` in bytes or floating-point operations of one.
fn time(name: &str, work: f64, unit: &str, mut run: impl FnMut()) {
    if std::env::args().nth(1).is_some_and(|wanted| !name.contains(&wanted)) {
        return;
    }
    run();
    let start = Instant::now();
    let mut seconds = Vec::new();
    while seconds.len() < 5 || (start.elapsed().as_secs_f64() < 0.4 && seconds.len() < 1000) {
        let start = Instant::now();
        run();
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let (ms, fastest, rate) = (median * 1e3, seconds[0] * 1e3, work / median / 1e9);
    println!(r#"{{"kernel": "{name}", "ms": {ms:.4}, "fastest_ms": {fastest:.4}, "{unit}": {rate:.1}}}"#);
}

fn main() {
    rows();
    parts();
    attentions();
    loss();
    optimizers();
}

fn rows() {
    let bytes = |numbers: usize| 4.0 * numbers as f64;
    let (x, dy, weight) = (numbers(N * C), numbers(N * C), numbers(C));
    let (mut y, mut rstd, mut dweight) = (vec![0.0; N * C], vec![0.0; N], vec![0.0; C]);
    time("rms_norm", bytes(2 * N * C), "GB/s", || rms_norm(&x, &weight, 1e-6, &mut y, &mut rstd));
    time("rms_norm_backward", bytes(3 * N * C), "GB/s", || {
        rms_norm_backward(&dy, &x, &weight, &rstd, &mut y, &mut dweight);
    });
    let ids: Vec<u32> = (0..N).map(|i| (i * i % V) as u32).collect();
    let table = numbers(V * C);
    let mut dtable = vec![0.0; V * C];
    time("embedding", bytes(2 * N * C), "GB/s", || embedding(&table, &ids, &mut y));
    time("embedding_backward", bytes(3 * N * C), "GB/s", || embedding_backward(&dy, &ids, &mut dtable));
}

/// The parts of a layer beside attention.
fn parts() {
    let (x, dout, norm) = (numbers(N * C), numbers(N * C), numbers(C));
    let (gate, up, down) = (numbers(I * C), numbers(I * C), numbers(I * C));
    let (eps, precision) = (1e-6, Precision::Bf16);
    let mlp = Mlp { norm: &norm, gate: &gate, up: &up, down: &down, eps, precision };
    let mut out = vec![0.0; N * C];
    let flops = 2.0 * (N * 3 * C * I) as f64;
    time("norm_mlp", flops, "GFLOP/s", || drop(norm_mlp(mlp, &x, &mut out, true)));
    let Some(kept) = norm_mlp(mlp, &x, &mut out, true) else { unreachable!("asked for") };
    let (mut dnorm, mut dgate, mut dup, mut ddown) =
        (vec![0.0; C], vec![0.0; I * C], vec![0.0; I * C], vec![0.0; I * C]);
    time("norm_mlp_backward", 2.0 * flops, "GFLOP/s", || {
        let grads =
            MlpGrads { norm: &mut dnorm, gate: Some(&mut dgate), up: Some(&mut dup), down: Some(&mut ddown) };
        norm_mlp_backward(mlp, &x, &kept, &dout, &mut out, grads);
    });
    let weights: [&[f32]; 1] = [&gate];
    let of = Linear { input: C, norm: Some((&norm, eps)), weights: &weights, precision };
    let (mut wide, dwide) = (vec![0.0; N * I], numbers(N * I));
    time("linear", flops / 3.0, "GFLOP/s", || linear(of, &x, &mut wide, false));
    time("linear_backward", flops / 1.5, "GFLOP/s", || {
        linear_backward(of, &x, &dwide, &mut out, &mut dnorm, vec![Some(&mut dgate)]);
    });
}

fn attentions() {
    let d = SHAPE.head_dim;
    let qkv = numbers(N * SHAPE.qkv_width());
    let (norm, cos) = (numbers(d), numbers(T * d / 2));
    let (mut q, mut k, mut v) =
        (vec![0.0; SHAPE.q_len()], vec![0.0; SHAPE.kv_len()], vec![0.0; SHAPE.kv_len()]);
    let bytes = 8.0 * qkv.len() as f64;
    time("qk_norm_rope", bytes, "GB/s", || {
        qk_norm_rope(SHAPE, &qkv, &norm, &norm, 1e-6, &cos, &cos, &mut q, &mut k, &mut v);
    });
    let (mut dqkv, mut dq_norm, mut dk_norm) = (vec![0.0; qkv.len()], vec![0.0; d], vec![0.0; d]);
    time("qk_norm_rope_backward", bytes * 1.5, "GB/s", || {
        qk_norm_rope_backward(
            SHAPE,
            &qkv,
            &norm,
            &norm,
            1e-6,
            &cos,
            &cos,
            &q,
            &k,
            &v,
            &mut dqkv,
            &mut dq_norm,
            &mut dk_norm,
        );
    });
    qk_norm_rope(SHAPE, &qkv, &norm, &norm, 1e-6, &cos, &cos, &mut q, &mut k, &mut v);
    for (which, starts) in [
        ("", vec![0; N]),
        ("_documents_of_128", (0..N).map(|i| (i % T / 128 * 128) as u32).collect::<Vec<u32>>()),
    ] {
        // Two products forward and five backward over the pairs that are seen.
        let pairs: usize = starts.iter().enumerate().map(|(i, &s)| i % T + 1 - s as usize).sum();
        let product = 2.0 * (pairs * SHAPE.heads * d) as f64;
        for precision in [Precision::F32, Precision::Bf16] {
            let name = |pass: &str| format!("{pass}{which}_{precision:?}").to_lowercase();
            let (mut out, mut lse) = (vec![0.0; q.len()], vec![0.0; N * SHAPE.heads]);
            let mut forward = || attention(SHAPE, &q, &k, &v, &starts, 0.18, &mut out, &mut lse, precision);
            forward();
            time(&name("attention"), 2.0 * product, "GFLOP/s", forward);
            let dout = numbers(q.len());
            let (mut dq, mut dk, mut dv) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
            time(&name("attention_backward"), 5.0 * product, "GFLOP/s", || {
                attention_backward(
                    SHAPE, &q, &k, &v, &starts, 0.18, &out, &lse, &dout, &mut dq, &mut dk, &mut dv, precision,
                );
            });
        }
    }
}

fn loss() {
    let (x, w) = (numbers(N * C), numbers(V * C));
    let targets: Vec<u32> = (0..N).map(|i| (i * 31 % V) as u32).collect();
    let (mut losses, mut dx, mut dw) = (vec![0.0; N], vec![0.0; N * C], vec![0.0; V * C]);
    let product = 2.0 * (N * C * V) as f64;
    for precision in [Precision::F32, Precision::Bf16] {
        let name = |kind: &str| format!("linear_cross_entropy{kind}_{precision:?}").to_lowercase();
        time(&name("_loss_only"), product, "GFLOP/s", || {
            linear_cross_entropy(&x, &w, &targets, 1e-3, &mut losses, None, None, precision);
        });
        time(&name("_dx"), 2.0 * product, "GFLOP/s", || {
            linear_cross_entropy(&x, &w, &targets, 1e-3, &mut losses, Some(&mut dx), None, precision);
        });
        time(&name("_dw"), 2.0 * product, "GFLOP/s", || {
            linear_cross_entropy(&x, &w, &targets, 1e-3, &mut losses, None, Some(&mut dw), precision);
        });
        time(&name(""), 3.0 * product, "GFLOP/s", || {
            linear_cross_entropy(
                &x,
                &w,
                &targets,
                1e-3,
                &mut losses,
                Some(&mut dx),
                Some(&mut dw),
                precision,
            );
        });
    }
}

fn optimizers() {
    let n = 2_000_000;
    let (mut x, grad) = (numbers(n), numbers(n));
    let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
    time("adamw_2m", 28.0 * n as f64, "GB/s", || {
        adamw(&mut x, &grad, &mut m, &mut v, 1e-3, 0.9, 0.95, 1e-8, 0.1, 10, 1.0);
    });
    time("sum_of_squares_2m", 4.0 * n as f64, "GB/s", || {
        std::hint::black_box(sum_of_squares(&grad));
    });
    for (rows, cols) in [(C, C), (2 * I, C), (C, I), (1376, 512)] {
        let n = rows * cols;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        time(&format!("muon_{rows}x{cols}"), muon_flops(rows, cols), "GFLOP/s", || {
            let moments = MuonMoments { first: &mut first, second: &mut second };
            let direction = muon_direction(&grad[..n], moments, rows, cols, 0.95, 1.0);
            muon_apply(&mut x[..n], &direction, rows, cols, 1e-3, 0.1);
        });
    }
}
