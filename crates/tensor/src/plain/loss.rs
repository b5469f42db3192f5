//! The end of the decoder: final norm, output layer, cross-entropy.

use super::{full, half, ints, ones_at, project, rms_norm, rms_norm_backward};
use crate::LossArgs;
use burn::tensor::{Tensor, TensorData};
use shuyuan_kernels::{IGNORE, Precision};

/// Logits that are there at once: half a gigabyte in f32.
const LOGITS: usize = 1 << 27;

/// Of the state, the norm and the output layer.
type Grads = (Tensor<2>, Tensor<1>, Tensor<2>);

/// Final RMSNorm, output layer and mean cross-entropy; with `with_grads` the gradients of `x`, `norm` and `head` beside it,
/// worked out on the way forward, a part of the logits at a time.
pub fn loss(
    x: Tensor<2>,
    norm: Tensor<1>,
    head: Tensor<2>,
    args: &LossArgs,
    with_grads: bool,
) -> (Tensor<1>, Option<Grads>) {
    let [v, _] = head.dims();
    in_parts(x, norm, head, args, with_grads, (LOGITS / v).max(1))
}

/// [`loss`], `rows` rows of logits at a time.
fn in_parts(
    x: Tensor<2>,
    norm: Tensor<1>,
    head: Tensor<2>,
    args: &LossArgs,
    with_grads: bool,
    rows: usize,
) -> (Tensor<1>, Option<Grads>) {
    let ([n, c], [v, _]) = (x.dims(), head.dims());
    assert!(args.targets.len() == n, "loss: {} targets for {n} positions", args.targets.len());
    let device = x.device();
    let states = half(rms_norm(x.clone(), norm.clone(), args.eps), args.precision);
    let head = half(head, args.precision);
    let (mut sum, mut losses) = (Tensor::<1>::zeros([1], &device), Vec::new());
    let (mut dy, mut dhead) = (Vec::new(), None::<Tensor<2>>);
    for from in (0..n).step_by(rows) {
        let to = n.min(from + rows);
        let len = to - from;
        let known = |t: &u32| *t != IGNORE;
        let wanted: Vec<u32> = args.targets[from..to].iter().map(|t| if known(t) { *t } else { 0 }).collect();
        let asked: Vec<f32> = args.targets[from..to].iter().map(|t| f32::from(u8::from(known(t)))).collect();
        let wanted = ints(&wanted, [len], &device);
        let asked = Tensor::<2>::from_data(TensorData::new(asked, [len, 1]), &device);
        let states = states.clone().slice([from..to, 0..c]);
        let logits = full(states.clone().matmul(head.clone().transpose()));
        let most = logits.clone().detach().max_dim(1);
        let exp = (logits.clone() - most.clone()).exp();
        let total = exp.clone().sum_dim(1);
        let right = logits.gather(1, wanted.clone().reshape([len, 1]));
        let loss = (total.clone().log() + most - right) * asked.clone();
        sum = sum + loss.clone().sum();
        if args.per_token.is_some() {
            losses.push(loss);
        }
        if with_grads {
            let dlogits = (exp / total - ones_at(wanted, v)) * (asked / args.count);
            let dlogits = half(dlogits, args.precision);
            dy.push(full(dlogits.clone().matmul(head.clone())));
            let part = full(dlogits.transpose().matmul(states));
            dhead = Some(match dhead {
                Some(sum) => sum + part,
                None => part,
            });
        }
    }
    if let Some(per_token) = &args.per_token {
        let losses = crate::take(Tensor::cat(losses, 0));
        *per_token.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = losses;
    }
    let grads = dhead.map(|dhead| {
        let (dx, dnorm) = rms_norm_backward(Tensor::cat(dy, 0), x, norm, args.eps);
        (dx, dnorm, dhead)
    });
    (sum / args.count, grads)
}

/// Final RMSNorm and output layer.
pub fn logits(x: Tensor<2>, norm: Tensor<1>, head: Tensor<2>, eps: f32, precision: Precision) -> Tensor<2> {
    full(project(rms_norm(x, norm, eps), head, precision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole() {
        let device = crate::cpu();
        let numbers = |rows: usize, cols: usize, by: usize| {
            let numbers: Vec<f32> = (0..rows * cols).map(|i| (i * by % 101) as f32 / 50.0 - 1.0).collect();
            Tensor::<2>::from_data(TensorData::new(numbers, [rows, cols]), &device)
        };
        let (x, norm, head) = (numbers(7, 5, 37), numbers(1, 5, 17).reshape([5]), numbers(9, 5, 53));
        let per_token = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let args = LossArgs {
            targets: [3, IGNORE, 8, 0, 1, 2, IGNORE].into(),
            count: 5.0,
            eps: 1e-5,
            precision: Precision::F32,
            per_token: Some(per_token.clone()),
        };
        let run = |rows| {
            let (loss, grads) = in_parts(x.clone(), norm.clone(), head.clone(), &args, true, rows);
            let (dx, dnorm, dhead) = grads.unwrap();
            let parts = [loss, crate::flat(dx), dnorm, crate::flat(dhead)].map(crate::take);
            (parts.concat(), per_token.lock().unwrap().clone())
        };
        let (whole, losses) = run(7);
        assert!(losses.len() == 7 && losses[1] == 0.0 && losses[0] > 0.0);
        for rows in [1, 2, 3, 6] {
            let (parts, each) = run(rows);
            assert_eq!(each, losses);
            for (a, b) in parts.iter().zip(&whole) {
                // Sums of at most 9 terms, in another order.
                assert!((a - b).abs() < 1e-6, "{rows}: {parts:?} {whole:?}");
            }
        }
    }
}
