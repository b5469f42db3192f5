//! The kernels that work on rows.

use super::{BF16, F32, assert_close, gradient, numbers, wide};
use crate::{swiglu, *};

fn rms_norm_oracle(x: &[f64], weight: &[f64], eps: f64) -> Vec<f64> {
    let c = weight.len();
    x.chunks(c)
        .flat_map(|x| {
            let rstd = 1.0 / (x.iter().map(|x| x * x).sum::<f64>() / c as f64 + eps).sqrt();
            x.iter().zip(weight).map(move |(x, w)| x * rstd * w).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn rms_norm_and_its_gradient() {
    for (n, c) in [(1, 1), (3, 6), (5, 32), (2, 129), (7, 48)] {
        let (x, weight, dy) = (numbers(n * c, 1), numbers(c, 2), numbers(n * c, 3));
        let (mut y, mut rstd) = (vec![0.0; n * c], vec![0.0; n]);
        let eps = 1e-3f32;
        let oracle = |x: &[f64], w: &[f64]| rms_norm_oracle(x, w, f64::from(eps));
        rms_norm(&x, &weight, eps, &mut y, &mut rstd);
        assert_close("y", &y, &oracle(&wide(&x), &wide(&weight)), F32);
        let (mut dx, mut dweight) = (vec![9.0; n * c], vec![1.0; c]);
        rms_norm_backward(&dy, &x, &weight, &rstd, &mut dx, &mut dweight);
        assert_close("dx", &dx, &gradient(&x, &dy, |x| oracle(x, &wide(&weight))), F32);
        let expected = gradient(&weight, &dy, |w| oracle(&wide(&x), w));
        assert_close("dweight", &dweight, &expected.iter().map(|d| d + 1.0).collect::<Vec<_>>(), F32);
    }
}

#[test]
fn rms_norm_sums_the_same_on_any_number_of_threads() {
    let (n, c) = (3000, 64);
    let (x, weight, dy) = (numbers(n * c, 1), numbers(c, 2), numbers(n * c, 3));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let (mut y, mut rstd) = (vec![0.0; n * c], vec![0.0; n]);
            rms_norm(&x, &weight, 1e-6, &mut y, &mut rstd);
            let (mut dx, mut dweight) = (vec![0.0; n * c], vec![0.0; c]);
            rms_norm_backward(&dy, &x, &weight, &rstd, &mut dx, &mut dweight);
            (dx, dweight, sum_of_squares(&x))
        })
    };
    assert!(run(1) == run(3));
}

#[test]
fn embedding_and_its_gradient() {
    let (vocab, c) = (11, 7);
    let ids = [3, 0, 10, 3, 3];
    let weight = numbers(vocab * c, 1);
    let mut y = vec![0.0; ids.len() * c];
    embedding(&weight, &ids, &mut y);
    for (y, &id) in y.chunks(c).zip(&ids) {
        assert_eq!(y, &weight[id as usize * c..][..c]);
    }
    let dy = numbers(y.len(), 2);
    let mut dweight = vec![1.0; weight.len()];
    embedding_backward(&dy, &ids, &mut dweight);
    let mut expected = vec![1.0; weight.len()];
    for (dy, &id) in dy.chunks(c).zip(&ids) {
        for (e, dy) in expected[id as usize * c..].iter_mut().zip(dy) {
            *e += dy;
        }
    }
    assert_eq!(dweight, expected);
    embedding(&weight, &[], &mut []);
    embedding_backward(&[], &[], &mut dweight);
}

#[test]
#[should_panic(expected = "not below 2")]
fn embedding_backward_refuses_an_id_past_the_table() {
    embedding_backward(&[1.0, 1.0], &[2], &mut [0.0; 4]);
}

#[test]
fn swiglu_and_its_gradient() {
    for (n, i) in [(1, 1), (3, 17), (4, 32)] {
        let n = n * i;
        let gate_up: Vec<f32> = numbers(2 * n, 1).iter().map(|x| 6.0 * x).collect();
        let dh = numbers(n, 2);
        let oracle = |x: &[f64]| -> Vec<f64> { (0..n).map(|j| silu(x[j]) * x[n + j]).collect() };
        let (gate, up) = gate_up.split_at(n);
        let (mut h, mut again, mut d) = (vec![9.0; n], vec![9.0; n], vec![9.0; 2 * n]);
        swiglu::forward(gate, up, &mut h);
        assert_close("h", &h, &oracle(&wide(&gate_up)), F32);
        let (dgate, dup) = d.split_at_mut(n);
        swiglu::backward(&dh, gate, up, dgate, dup, &mut again);
        assert_close("dgate_up", &d, &gradient(&gate_up, &dh, oracle), F32);
        assert_eq!(again, h);
    }
    let mut h = [0.0; 2];
    swiglu::forward(&[-200.0, 200.0], &[1.0, 1.0], &mut h);
    assert_eq!(h, [0.0, 200.0]);
}

fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

/// x · wᵀ, with `x` rows of `c`.
fn times(x: &[f64], w: &[f64], c: usize) -> Vec<f64> {
    let dot = |x: &[f64], w: &[f64]| x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>();
    x.chunks(c).flat_map(|x| w.chunks(c).map(move |w| dot(x, w)).collect::<Vec<_>>()).collect()
}

/// The sizes at which blocks of rows, tiles and blocks along K end early, or just not; few rows, and no few.
const SIZES: [(usize, usize, usize); 6] =
    [(1, 1, 1), (3, 6, 10), (9, 17, 33), (130, 16, 12), (128, 3, 200), (65, 260, 7)];

/// Gradients of input, norm, gate, up and down: `dout` and ones, added to, and nines, overwritten.
fn mlp_gradients(mlp: Mlp, x: &[f32], kept: &Kept, dout: &[f32]) -> [Vec<f32>; 5] {
    let (mut dx, mut dnorm) = (dout.to_vec(), vec![1.0; mlp.norm.len()]);
    let [mut dgate, mut dup, mut ddown] = [0; 3].map(|_| vec![9.0; mlp.gate.len()]);
    let grads =
        MlpGrads { norm: &mut dnorm, gate: Some(&mut dgate), up: Some(&mut dup), down: Some(&mut ddown) };
    norm_mlp_backward(mlp, x, kept, dout, &mut dx, grads);
    [dx, dnorm, dgate, dup, ddown]
}

#[test]
fn norm_mlp_and_its_gradients() {
    for (n, c, i) in SIZES {
        for (precision, tolerance) in [(Precision::F32, 3.0 * F32), (Precision::Bf16, 2.0 * BF16)] {
            let (x, norm, dout) = (numbers(n * c, 1), numbers(c, 2), numbers(n * c, 3));
            let [gate, up, down] = [4, 5, 6].map(|seed| numbers(i * c, seed));
            let eps = 1e-3f32;
            let oracle = |x: &[f64], norm: &[f64], gate: &[f64], up: &[f64], down: &[f64]| -> Vec<f64> {
                let y = rms_norm_oracle(x, norm, f64::from(eps));
                let h: Vec<f64> =
                    times(&y, gate, c).iter().zip(times(&y, up, c)).map(|(g, u)| silu(*g) * u).collect();
                times(&h, down, i).iter().zip(x).map(|(y, x)| y + x).collect()
            };
            let [wx, wnorm, wgate, wup, wdown] = [&x, &norm, &gate, &up, &down].map(|x| wide(x));
            let mlp = Mlp { norm: &norm, gate: &gate, up: &up, down: &down, eps, precision };
            let (mut out, mut alone) = (x.clone(), x.clone());
            let kept = norm_mlp(mlp, &x, &mut out, true).expect("asked for");
            assert_close("out", &out, &oracle(&wx, &wnorm, &wgate, &wup, &wdown), tolerance);
            assert!(norm_mlp(mlp, &x, &mut alone, false).is_none());
            assert_close("alone", &alone, &wide(&out), tolerance);
            if n > 9 && precision == Precision::F32 && i > 20 {
                continue; // Differences take their time.
            }
            let [dx, dnorm, dgate, dup, ddown] = mlp_gradients(mlp, &x, &kept, &dout);
            assert_close(
                "dx",
                &dx,
                &gradient(&x, &dout, |x| oracle(x, &wnorm, &wgate, &wup, &wdown)),
                tolerance,
            );
            let expected = gradient(&norm, &dout, |norm| oracle(&wx, norm, &wgate, &wup, &wdown));
            assert_close("dnorm", &dnorm, &expected.iter().map(|d| d + 1.0).collect::<Vec<_>>(), tolerance);
            let expected = gradient(&gate, &dout, |gate| oracle(&wx, &wnorm, gate, &wup, &wdown));
            assert_close("dgate", &dgate, &expected, tolerance);
            let expected = gradient(&up, &dout, |up| oracle(&wx, &wnorm, &wgate, up, &wdown));
            assert_close("dup", &dup, &expected, tolerance);
            let expected = gradient(&down, &dout, |down| oracle(&wx, &wnorm, &wgate, &wup, down));
            assert_close("ddown", &ddown, &expected, tolerance);
        }
    }
}

#[test]
fn linear_and_its_gradients() {
    for (n, c, o) in SIZES {
        for (precision, tolerance) in [(Precision::F32, 3.0 * F32), (Precision::Bf16, 2.0 * BF16)] {
            for normed in [true, false] {
                let (x, norm, dout) = (numbers(n * c, 1), numbers(c, 2), numbers(n * 2 * o, 3));
                let [a, b] = [4, 5].map(|seed| numbers(o * c, seed));
                let eps = 1e-3f32;
                let oracle = |x: &[f64], norm: &[f64], a: &[f64], b: &[f64]| -> Vec<f64> {
                    let y = if normed { rms_norm_oracle(x, norm, f64::from(eps)) } else { x.to_vec() };
                    let (a, b) = (times(&y, a, c), times(&y, b, c));
                    a.chunks(o).zip(b.chunks(o)).flat_map(|(a, b)| [a, b].concat()).collect()
                };
                let [wx, wnorm, wa, wb] = [&x, &norm, &a, &b].map(|x| wide(x));
                let weights: [&[f32]; 2] = [&a, &b];
                let of =
                    Linear { input: c, norm: normed.then_some((&norm, eps)), weights: &weights, precision };
                let (mut out, mut added) = (vec![9.0; n * 2 * o], vec![1.0; n * 2 * o]);
                linear(of, &x, &mut out, false);
                assert_close("out", &out, &oracle(&wx, &wnorm, &wa, &wb), tolerance);
                linear(of, &x, &mut added, true);
                assert_close("added", &added, &wide(&out).iter().map(|x| x + 1.0).collect::<Vec<_>>(), F32);
                let (mut dx, mut dnorm) = (vec![1.0; n * c], vec![1.0; c]);
                let [mut da, mut db] = [0; 2].map(|_| vec![9.0; o * c]);
                linear_backward(of, &x, &dout, &mut dx, &mut dnorm, vec![Some(&mut da), Some(&mut db)]);
                let plus = |d: Vec<f64>| d.iter().map(|d| d + 1.0).collect::<Vec<_>>();
                let expected = gradient(&x, &dout, |x| oracle(x, &wnorm, &wa, &wb));
                assert_close("dx", &dx, &plus(expected), tolerance);
                let expected = gradient(&norm, &dout, |norm| oracle(&wx, norm, &wa, &wb));
                assert_close("dnorm", &dnorm, &plus(expected), tolerance);
                assert_close("da", &da, &gradient(&a, &dout, |a| oracle(&wx, &wnorm, a, &wb)), tolerance);
                assert_close("db", &db, &gradient(&b, &dout, |b| oracle(&wx, &wnorm, &wa, b)), tolerance);
            }
        }
    }
}

#[test]
fn linear_cross_entropy_and_its_gradients() {
    for (n, c, vocab, precision, tolerance) in [
        (5, 6, 37, Precision::F32, F32),
        // More rows than are held at once.
        (4200, 2, 5, Precision::F32, F32),
        // More columns than are worked on at once, and rows of several tasks.
        (70, 3, 1600, Precision::F32, F32),
        (70, 3, 800, Precision::Bf16, BF16),
        (9, 32, 33, Precision::Bf16, BF16),
        (1, 1, 1, Precision::F32, F32),
    ] {
        let (x, w) = (numbers(n * c, 1), numbers(vocab * c, 2));
        let targets: Vec<u32> =
            (0..n).map(|i| if i % 4 == 1 { IGNORE } else { (i * 7 % vocab) as u32 }).collect();
        let oracle = |x: &[f64], w: &[f64]| -> Vec<f64> {
            x.chunks(c)
                .zip(&targets)
                .map(|(x, &target)| {
                    if target == IGNORE {
                        return 0.0;
                    }
                    let logits: Vec<f64> =
                        w.chunks(c).map(|w| w.iter().zip(x).map(|(w, x)| w * x).sum()).collect();
                    logits.iter().map(|l| l.exp()).sum::<f64>().ln() - logits[target as usize]
                })
                .collect()
        };
        let scale = 0.25;
        let (mut losses, mut dx, mut dw) = (vec![9.0; n], vec![9.0; n * c], vec![1.0; vocab * c]);
        linear_cross_entropy(&x, &w, &targets, scale, &mut losses, Some(&mut dx), Some(&mut dw), precision);
        assert_close("losses", &losses, &oracle(&wide(&x), &wide(&w)), tolerance);
        let scales = vec![scale; n];
        assert_close("dx", &dx, &gradient(&x, &scales, |x| oracle(x, &wide(&w))), tolerance);
        let expected = gradient(&w, &scales, |w| oracle(&wide(&x), w));
        let expected: Vec<f64> = expected.iter().map(|d| d + 1.0).collect();
        assert_close("dw", &dw, &expected, tolerance);
        let mut alone = vec![0.0; n];
        linear_cross_entropy(&x, &w, &targets, scale, &mut alone, None, None, precision);
        assert_eq!(alone, losses);
    }
}

/// The first columns' logits say little of later ones, hundreds greater; and the surest of targets has a gradient near 0.
#[test]
fn logits_far_apart_have_losses_and_gradients() {
    let (n, c, vocab) = (40, 4, 700);
    // Of few bits, so that rounding to bf16 changes none.
    let x: Vec<f32> = (0..n * c).map(|i| 1.0 + (i * 7 % 8) as f32 / 8.0).collect();
    let w: Vec<f32> = (0..vocab).flat_map(|i| [(i / 8) as f32 - 44.0, 0.5, 0.0, -0.5]).collect();
    let targets: Vec<u32> = (0..n).map(|i| [699, 0, 650, 300][i % 4]).collect();
    for (precision, tolerance) in [(Precision::F32, 1e-4), (Precision::Bf16, 4e-3)] {
        let (mut losses, mut dx, mut dw) = (vec![0.0; n], vec![0.0; n * c], vec![0.0; vocab * c]);
        linear_cross_entropy(&x, &w, &targets, 1.0, &mut losses, Some(&mut dx), Some(&mut dw), precision);
        let mut expected_dw = vec![0.0; vocab * c];
        for (i, x) in x.chunks(c).enumerate() {
            let logits: Vec<f64> = w
                .chunks(c)
                .map(|w| w.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum())
                .collect();
            let max = logits.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = logits.iter().map(|l| (l - max).exp()).sum();
            let target = targets[i] as usize;
            let loss = sum.ln() + max - logits[target];
            assert!(
                (f64::from(losses[i]) - loss).abs() <= tolerance * (1.0 + loss),
                "{precision:?}, row {i}: {} for {loss}",
                losses[i]
            );
            let mut expected = vec![0.0; c];
            for (v, l) in logits.iter().enumerate() {
                let d = (l - max).exp() / sum - f64::from(u8::from(v == target));
                for j in 0..c {
                    expected[j] += d * f64::from(w[v * c + j]);
                    expected_dw[v * c + j] += d * f64::from(x[j]);
                }
            }
            for (found, expected) in dx[i * c..][..c].iter().zip(&expected) {
                let apart = (f64::from(*found) - expected).abs();
                assert!(apart <= 44.0 * tolerance, "{precision:?}, row {i}: {found} for {expected}");
            }
        }
        for (found, expected) in dw.iter().zip(&expected_dw) {
            let apart = (f64::from(*found) - expected).abs();
            assert!(apart <= 10.0 * tolerance, "{precision:?}: {found} for {expected}");
        }
    }
}

#[test]
fn a_loss_that_is_no_number_stays_so() {
    for precision in [Precision::F32, Precision::Bf16] {
        for bad in [f32::NAN, f32::INFINITY] {
            let (mut x, w) = (numbers(40 * 3, 1), numbers(300 * 3, 2));
            x[7 * 3] = bad;
            let (mut losses, mut dx) = (vec![0.0; 40], vec![0.0; 40 * 3]);
            linear_cross_entropy(&x, &w, &[5; 40], 1.0, &mut losses, Some(&mut dx), None, precision);
            let no_numbers: Vec<usize> = (0..40).filter(|&i| !losses[i].is_finite()).collect();
            assert_eq!(no_numbers, [7], "{precision:?}, {bad}");
        }
    }
}

#[test]
fn blocks_sum_the_same_on_any_number_of_threads() {
    let (n, c, i) = (300, 48, 130);
    let (x, norm, dout, eps) = (numbers(n * c, 1), numbers(c, 2), numbers(n * c, 3), 1e-6);
    let [gate, up, down] = [4, 5, 6].map(|seed| numbers(i * c, seed));
    let targets: Vec<u32> = (0..n as u32).map(|t| t % 130).collect();
    let run = |threads, precision| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let mlp = Mlp { norm: &norm, gate: &gate, up: &up, down: &down, eps, precision };
            let (mut out, mut alone) = (x.clone(), x.clone());
            let kept = norm_mlp(mlp, &x, &mut out, true).expect("asked for");
            norm_mlp(mlp, &x, &mut alone, false);
            let [dx, dnorm, dgate, dup, ddown] = mlp_gradients(mlp, &x, &kept, &dout);
            let weights: [&[f32]; 1] = [&down];
            let of = Linear { input: i, norm: None, weights: &weights, precision };
            let (wide, mut dwide, mut dweight) = (numbers(n * i, 7), vec![0.0; n * i], vec![0.0; i * c]);
            linear_backward(of, &wide, &dout, &mut dwide, &mut [], vec![Some(&mut dweight)]);
            let (mut losses, mut dy, mut dw) = (vec![0.0; n], vec![0.0; n * c], vec![0.0; i * c]);
            linear_cross_entropy(
                &x,
                &gate,
                &targets,
                0.1,
                &mut losses,
                Some(&mut dy),
                Some(&mut dw),
                precision,
            );
            assert_eq!(out, alone, "the result does not depend on what is kept");
            [out, dx, dnorm, dgate, dup, ddown, dwide, dweight, losses, dy, dw]
        })
    };
    for precision in [Precision::F32, Precision::Bf16] {
        assert!(run(1, precision) == run(3, precision), "{precision:?}");
    }
}

#[test]
fn no_rows_are_no_gradients() {
    let (norm, w) = ([1.0; 4], [1.0; 12]);
    let mlp = Mlp { norm: &norm, gate: &w, up: &w, down: &w, eps: 1e-6, precision: Precision::Bf16 };
    let kept = norm_mlp(mlp, &[], &mut [], true).expect("asked for");
    let (mut dnorm, mut dgate) = ([1.0; 4], [9.0; 12]);
    let grads = MlpGrads { norm: &mut dnorm, gate: Some(&mut dgate), up: None, down: None };
    norm_mlp_backward(mlp, &[], &kept, &[], &mut [], grads);
    assert_eq!((dnorm, dgate), ([1.0; 4], [0.0; 12]));
}

#[test]
fn linear_cross_entropy_of_ignored_rows_is_nothing() {
    let (mut losses, mut dx, mut dw) = ([9.0; 2], [9.0; 4], [1.0; 6]);
    linear_cross_entropy(
        &[1.0; 4],
        &[1.0; 6],
        &[IGNORE; 2],
        1.0,
        &mut losses,
        Some(&mut dx),
        Some(&mut dw),
        Precision::F32,
    );
    assert!(losses == [0.0; 2] && dx == [0.0; 4] && dw == [1.0; 6]);
}

#[test]
fn adamw_follows_the_paper() {
    let n = 37;
    let mut x = numbers(n, 1);
    let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
    let (mut ox, mut om, mut ov) = (wide(&x), vec![0.0; n], vec![0.0; n]);
    let (lr, beta1, beta2, eps, decay, scale) = (1e-2f32, 0.9f32, 0.95f32, 1e-8f32, 0.1f32, 0.5f32);
    for step in 1..=5 {
        let g = numbers(n, 10 + step);
        adamw(&mut x, &g, &mut m, &mut v, lr, beta1, beta2, eps, decay, step, scale);
        let [lr, beta1, beta2, eps, decay, scale] = [lr, beta1, beta2, eps, decay, scale].map(f64::from);
        for i in 0..n {
            let g = f64::from(g[i]) * scale;
            om[i] = beta1 * om[i] + (1.0 - beta1) * g;
            ov[i] = beta2 * ov[i] + (1.0 - beta2) * g * g;
            let mean = om[i] / (1.0 - beta1.powi(step as i32));
            let square = ov[i] / (1.0 - beta2.powi(step as i32));
            ox[i] -= lr * decay * ox[i];
            ox[i] -= lr * mean / (square.sqrt() + eps);
        }
    }
    assert_close("param", &x, &ox, F32);
    assert_close("m", &m, &om, F32);
    assert_close("v", &v, &ov, F32);
}

#[test]
fn muon_moves_by_a_nearly_orthogonal_matrix() {
    for (rows, cols) in [(8, 20), (20, 8), (16, 16)] {
        let mut x = vec![0.0; rows * cols];
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let grad = numbers(rows * cols, 5);
        let moments = MuonMoments { first: &mut first, second: &mut second };
        let direction = muon_direction(&grad, moments, rows, cols, 0.95, 1.0);
        muon_apply(&mut x, &direction, rows, cols, 1.0, 0.1);
        assert!(first.iter().zip(&grad).all(|(b, g)| (b - 0.05 * g).abs() < 1e-6));
        let scale = (rows as f64 / cols as f64).max(1.0).sqrt();
        let x: Vec<f64> = x.iter().map(|&x| -f64::from(x) / scale).collect();
        // Singular values of about 0.9 to 1.1 (bf16 adds some), so the squares add up to the smaller side.
        let side = rows.min(cols) as f64;
        let square: f64 = x.iter().map(|x| x * x).sum();
        assert!(square > 0.8 * side && square < 1.25 * side, "{rows} × {cols}: |X|² = {square}");
        // Its rows, or its columns where those are more, are of one length; `second` holds a tenth of their squares.
        let lane = |i: usize| -> f64 {
            let (of, step) = if rows >= cols { (i * cols, 1) } else { (i, cols) };
            (0..rows.min(cols)).map(|k| x[of + k * step].powi(2)).sum()
        };
        for i in 0..rows.max(cols) {
            let even = square / rows.max(cols) as f64;
            assert!((lane(i) / even - 1.0).abs() < 1e-3, "{rows} × {cols}: lane {i}");
        }
        assert!((second.iter().sum::<f32>() * rows.min(cols) as f32 / 0.1 - square as f32).abs() < 0.01);
        // It points down the gradient.
        let along: f64 = x.iter().zip(&grad).map(|(x, &g)| x * f64::from(g)).sum();
        assert!(along > 0.8 * wide(&grad).iter().map(|g| g * g).sum::<f64>().sqrt());
    }
    let mut x = [2.0; 4];
    let moments = MuonMoments { first: &mut Vec::new(), second: &mut Vec::new() };
    let direction = muon_direction(&[0.0; 4], moments, 2, 2, 0.9, 1.0);
    muon_apply(&mut x, &direction, 2, 2, 0.5, 0.1);
    assert!(x.iter().all(|x| (x - 1.9).abs() < 1e-6));
}

#[test]
fn sum_of_squares_is_exact_enough() {
    let x = numbers(100_003, 1);
    let exact: f64 = wide(&x).iter().map(|x| x * x).sum();
    assert!((sum_of_squares(&x) / exact - 1.0).abs() < 1e-6);
    assert_eq!(sum_of_squares(&[]), 0.0);
}
