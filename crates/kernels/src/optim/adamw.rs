//! Adam with decoupled weight decay.

use crate::simd::{lanes, simd};
use crate::split::rows_per_task;
use rayon::prelude::*;

/// One AdamW step in place: `m` and `v` are the moving means of the gradient and of its square, zeros before step 1.
///
/// `lr`, `beta1`, `beta2`, `eps` and `weight_decay` as in PyTorch; `step` counts from 1; the gradient is multiplied by
/// `grad_scale` first (clipping, averaging). All slices have one length, else it panics. Source: arXiv:1711.05101.
#[expect(clippy::too_many_arguments, reason = "the names that the paper gives them")]
pub fn adamw(
    param: &mut [f32],
    grad: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    lr: f32,
    beta1: f32,
    beta2: f32,
    eps: f32,
    weight_decay: f32,
    step: u64,
    grad_scale: f32,
) {
    assert!(
        param.len() == grad.len() && param.len() == m.len() && param.len() == v.len(),
        "adamw: lengths disagree"
    );
    assert!(step >= 1, "adamw: steps count from 1");
    let correction = |beta: f32| 1.0 - f64::from(beta).powf(step as f64);
    let step_size = (f64::from(lr) / correction(beta1)) as f32;
    let root = (1.0 / correction(beta2).sqrt()) as f32;
    let keep = 1.0 - lr * weight_decay;
    let len = rows_per_task(1);
    param
        .par_chunks_mut(len)
        .zip(grad.par_chunks(len))
        .zip(m.par_chunks_mut(len))
        .zip(v.par_chunks_mut(len))
        .for_each(|(((param, grad), m), v)| {
            run(param, grad, m, v, [grad_scale, 1.0 - beta1, 1.0 - beta2, keep, step_size, root, eps]);
        });
}

simd! {
    fn run<S>(param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32], settings: [f32; 7]) {
        let [scale, new1, new2, keep, step_size, root, eps] = settings.map(S::splat);
        lanes!(S, (param, grad, m, v) => (param, m, v) {
            let g = S::mul(grad, scale);
            let m = S::fma(new1, S::sub(g, m), m);
            let v = S::fma(new2, S::sub(S::mul(g, g), v), v);
            let move_by = S::div(S::mul(step_size, m), S::fma(S::sqrt(v), root, eps));
            [S::sub(S::mul(param, keep), move_by), m, v]
        });
    }
}
