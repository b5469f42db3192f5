//! Optimizer steps: by the kernels in place on the CPU, in Burn's operations on other devices.
//!
//! Gradients and what an optimizer remembers are flat tensors without gradients, on the model's device.

use crate::slices::change;
use crate::{has_bf16, is_cpu, read, update};
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use rayon::prelude::*;
use shuyuan_kernels as kernels;
use std::collections::BTreeMap;

/// What an optimizer remembers of one parameter: for AdamW the means of gradients and of their squares, for Muon the
/// mean of gradients and one number a row, or a column where those are more.
#[derive(Clone, Debug)]
pub struct Moments {
    /// The mean of gradients.
    pub first: Tensor<1>,
    /// The mean of squares.
    pub second: Tensor<1>,
}

impl Moments {
    /// Nothing yet, of a parameter of `numbers`; `second` as many as are kept.
    pub fn none(numbers: usize, second: usize, device: &Device) -> Self {
        Self { first: Tensor::zeros([numbers], device), second: Tensor::zeros([second], device) }
    }
}

/// How one AdamW step is taken; as in PyTorch.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// The rate.
    pub lr: f32,
    /// How long first and second moments remember.
    pub betas: [f32; 2],
    /// Added under the fraction.
    pub eps: f32,
    /// Of the parameter itself.
    pub weight_decay: f32,
    /// From 1.
    pub step: u64,
    /// On the gradient: clipping, averaging.
    pub grad_scale: f32,
}

/// One AdamW step. Panics if lengths disagree. Source: arXiv:1711.05101.
pub fn adamw<const D: usize>(
    param: Tensor<D>,
    grad: &Tensor<1>,
    moments: Moments,
    how: AdamW,
) -> (Tensor<D>, Moments) {
    let AdamW { lr, betas: [beta1, beta2], eps, weight_decay, step, grad_scale } = how;
    let Moments { first, second } = moments;
    if is_cpu(&param.device()) {
        let mut after = None;
        let param = update(param, |param| {
            let mut keep = None;
            let first = update(first, |m| {
                let second = update(second, |v| {
                    read(grad, |grad| {
                        kernels::adamw(
                            param,
                            grad,
                            m,
                            v,
                            lr,
                            beta1,
                            beta2,
                            eps,
                            weight_decay,
                            step,
                            grad_scale,
                        );
                    });
                });
                keep = Some(second);
            });
            after = keep.map(|second| Moments { first, second });
        });
        let Some(moments) = after else { unreachable!("update calls what it is given") };
        return (param, moments);
    }
    adamw_elsewhere(param, grad, Moments { first, second }, how)
}

fn adamw_elsewhere<const D: usize>(
    param: Tensor<D>,
    grad: &Tensor<1>,
    Moments { first, second }: Moments,
    AdamW { lr, betas: [beta1, beta2], eps, weight_decay, step, grad_scale }: AdamW,
) -> (Tensor<D>, Moments) {
    let correction = |beta: f32| 1.0 - f64::from(beta).powf(step as f64);
    let step_size = (f64::from(lr) / correction(beta1)) as f32;
    let root = (1.0 / correction(beta2).sqrt()) as f32;
    let grad = grad.clone() * grad_scale;
    let first = first * beta1 + grad.clone() * (1.0 - beta1);
    let second = second * beta2 + grad.square() * (1.0 - beta2);
    let moved = first.clone() * step_size / (second.clone().sqrt() * root + eps);
    let param = change(param, |param| {
        let shape = param.shape();
        param * (1.0 - lr * weight_decay) - moved.reshape(shape)
    });
    (param, Moments { first, second })
}

/// How one step of Muon is taken.
#[derive(Clone, Copy, Debug)]
pub struct Muon {
    /// Nesterov's.
    pub momentum: f32,
    /// On the gradient: clipping, averaging.
    pub grad_scale: f32,
}

/// A matrix that Muon teaches.
pub struct MuonItem<'a> {
    /// Its gradient.
    pub grad: &'a Tensor<1>,
    /// What is remembered of it.
    pub moments: &'a mut Moments,
    /// Its shape.
    pub rows: usize,
    /// Its shape.
    pub cols: usize,
}

/// The directions in which Muon takes matrices, flat, in their order; see `shuyuan_kernels::muon_direction`. On the CPU
/// each is worked out by one thread; elsewhere those of one shape are worked out together.
pub fn muon_directions(items: Vec<MuonItem>, how: Muon) -> Vec<Tensor<1>> {
    let Some(first) = items.first() else { return Vec::new() };
    let device = first.grad.device();
    if is_cpu(&device) {
        return items.into_par_iter().with_max_len(1).map(|item| on_cpu(item, how)).collect();
    }
    let mut by_shape: BTreeMap<[usize; 2], Vec<(usize, MuonItem)>> = BTreeMap::new();
    for (at, item) in items.into_iter().enumerate() {
        by_shape.entry([item.rows, item.cols]).or_default().push((at, item));
    }
    let mut directions = BTreeMap::new();
    for ([rows, cols], items) in by_shape {
        let (places, items): (Vec<usize>, Vec<MuonItem>) = items.into_iter().unzip();
        directions.extend(places.into_iter().zip(together(items, rows, cols, how)));
    }
    directions.into_values().collect()
}

fn on_cpu(item: MuonItem, how: Muon) -> Tensor<1> {
    let MuonItem { grad, moments, rows, cols } = item;
    let take = |tensor: &mut Tensor<1>| {
        let empty = Tensor::empty([0], &tensor.device());
        crate::take(std::mem::replace(tensor, empty))
    };
    let (mut first, mut second) = (take(&mut moments.first), take(&mut moments.second));
    let direction = read(grad, |grad| {
        let moments = kernels::MuonMoments { first: &mut first, second: &mut second };
        kernels::muon_direction(grad, moments, rows, cols, how.momentum, how.grad_scale)
    });
    let device = grad.device();
    let give = |numbers: Vec<f32>| {
        let len = numbers.len();
        Tensor::from_data(TensorData::new(numbers, [len]), &device)
    };
    (moments.first, moments.second) = (give(first), give(second));
    give(direction)
}

/// As `shuyuan_kernels::muon_direction`, for matrices of one shape laid on each other.
fn together(items: Vec<MuonItem>, rows: usize, cols: usize, how: Muon) -> Vec<Tensor<1>> {
    let count = items.len();
    let stack = |each: &dyn Fn(&MuonItem) -> Tensor<1>, shape: [usize; 3]| {
        Tensor::cat(items.iter().map(each).collect(), 0).reshape(shape)
    };
    let grads = stack(&|item| item.grad.clone(), [count, rows, cols]) * how.grad_scale;
    let old = stack(&|item| item.moments.first.clone(), [count, rows, cols]);
    let first = old * how.momentum + grads.clone() * (1.0 - how.momentum);
    let direction = first.clone() * how.momentum + grads * (1.0 - how.momentum);
    let direction = orthogonalise(direction);
    // Each row, or column where those are more, by its own root mean square of the last steps.
    let (across, lanes) = if rows >= cols { (2, [count, rows, 1]) } else { (1, [count, 1, cols]) };
    let squares = direction.clone().square().mean_dim(across);
    let old = stack(&|item| item.moments.second.clone(), lanes);
    let second = old * (1.0 - kernels::MUON_SECOND) + squares * kernels::MUON_SECOND;
    let evened = direction.clone() / second.clone().clamp_min(1e-10).sqrt();
    let length = |x: Tensor<3>| x.square().sum_dim(2).sum_dim(1);
    let back = (length(direction) / length(evened.clone()).clamp_min(1e-30)).sqrt();
    let evened = (evened * back).reshape([count, rows * cols]);
    let (first, second) = (first.reshape([count, rows * cols]), second.reshape([count, rows.max(cols)]));
    let row = |of: &Tensor<2>, at: usize| {
        let [_, len] = of.dims();
        of.clone().slice([at..at + 1, 0..len]).reshape([len])
    };
    items
        .into_iter()
        .enumerate()
        .map(|(at, item)| {
            (item.moments.first, item.moments.second) = (row(&first, at), row(&second, at));
            row(&evened, at)
        })
        .collect()
}

/// By the steps of the kernels, one after another, in bf16 where the device has it: `x` (count, rows, cols).
fn orthogonalise(x: Tensor<3>) -> Tensor<3> {
    let [_, rows, cols] = x.dims();
    let norm = x.clone().square().sum_dim(2).sum_dim(1).sqrt() * 1.01 + 1e-7;
    let x = x / norm;
    let bf16 = has_bf16(&x.device());
    let half = |x: Tensor<3>| if bf16 { x.cast(FloatDType::BF16) } else { x };
    let full = |x: Tensor<3>| if bf16 { x.cast(FloatDType::F32) } else { x };
    let tall = rows > cols;
    let mut wide = half(if tall { x.transpose() } else { x });
    for [a, b, c] in kernels::MUON_STEPS {
        let gram = wide.clone().matmul(wide.clone().transpose());
        let square = full(gram.clone().matmul(gram.clone()));
        let poly = half(full(gram) * b + square * c);
        wide = half(full(wide.clone()) * a + full(poly.matmul(wide)));
    }
    let x = full(wide);
    if tall { x.transpose() } else { x }
}

/// Takes a step along `direction`, scaled by √max(1, rows / cols), with decoupled weight decay.
pub fn muon_apply<const D: usize>(
    param: Tensor<D>,
    direction: Tensor<1>,
    lr: f32,
    weight_decay: f32,
) -> Tensor<D> {
    let dims = param.dims();
    let (rows, cols) = (dims[0], dims[D - 1]);
    if is_cpu(&param.device()) {
        return update(param, |param| {
            read(&direction, |direction| kernels::muon_apply(param, direction, rows, cols, lr, weight_decay));
        });
    }
    let step = lr * (rows as f32 / cols as f32).max(1.0).sqrt();
    change(param, |param| param * (1.0 - lr * weight_decay) - direction.reshape(dims) * step)
}

/// Σ x² over all of `tensors`, for the global norm of the gradients.
pub fn sum_of_squares<'a>(tensors: impl Iterator<Item = &'a Tensor<1>>) -> f64 {
    let (mut sum, mut elsewhere) = (0.0, Vec::new());
    for tensor in tensors {
        if is_cpu(&tensor.device()) {
            sum += read(tensor, kernels::sum_of_squares);
        } else {
            elsewhere.push(tensor.clone().square().sum());
        }
    }
    if elsewhere.is_empty() {
        return sum;
    }
    // Fetched at once.
    sum + crate::take(Tensor::cat(elsewhere, 0)).iter().map(|x| f64::from(*x)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cpu, take};

    /// From -1 to 1, as if at random.
    fn numbers(len: usize, seed: usize) -> Tensor<1> {
        let mut state = seed as u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        let numbers: Vec<f32> = (0..len).map(|_| next()).collect();
        Tensor::from_data(TensorData::new(numbers, [len]), &cpu())
    }

    /// The farthest, of the largest.
    fn off(a: Tensor<1>, b: Tensor<1>) -> f32 {
        let (a, b) = (take(a), take(b));
        assert_eq!(a.len(), b.len());
        let largest = b.iter().fold(0f32, |most, x| most.max(x.abs()));
        assert!(largest > 1e-3, "all nearly zero, which tests nothing");
        a.iter().zip(&b).fold(0f32, |most, (a, b)| most.max((a - b).abs())) / largest
    }

    #[test]
    fn adamw_is_the_same_everywhere() {
        let how =
            |step| AdamW { lr: 0.1, betas: [0.9, 0.95], eps: 1e-8, weight_decay: 0.1, step, grad_scale: 0.5 };
        let mut here = (numbers(35, 89).reshape([5, 7]), Moments::none(35, 35, &cpu()));
        let mut there = here.clone();
        for step in 1..4 {
            let grad = numbers(35, 31 * step as usize);
            here = adamw(here.0, &grad, here.1, how(step));
            there = adamw_elsewhere(there.0, &grad, there.1, how(step));
        }
        let flat = |x: Tensor<2>| x.reshape([35]);
        assert!(off(flat(there.0), flat(here.0)) < 1e-5);
        assert!(off(there.1.first, here.1.first) < 1e-5 && off(there.1.second, here.1.second) < 1e-5);
    }

    #[test]
    fn muon_is_the_same_everywhere() {
        for (rows, cols) in [(24, 56), (56, 24), (32, 32)] {
            let none = || Moments::none(rows * cols, rows.max(cols), &cpu());
            let (mut here, mut there) = ([none(), none()], [none(), none()]);
            for step in 1..4 {
                let grads = [37, 41].map(|by| numbers(rows * cols, by * step));
                let how = Muon { momentum: 0.9, grad_scale: 0.5 };
                let item = |(grad, moments)| MuonItem { grad, moments, rows, cols };
                let found = together(grads.iter().zip(&mut there).map(item).collect(), rows, cols, how);
                let wanted: Vec<_> =
                    grads.iter().zip(&mut here).map(item).map(|item| on_cpu(item, how)).collect();
                for (found, wanted) in found.into_iter().zip(wanted) {
                    // Both multiply in bf16, 2⁻⁹ a number, and round at other places: the farthest was off by .053.
                    let off = off(found, wanted);
                    assert!(off < 0.1, "{rows} × {cols}, step {step}: {off}");
                }
            }
            for (there, here) in there.into_iter().zip(here) {
                assert!(off(there.first, here.first) < 1e-5);
                assert!(off(there.second, here.second) < 0.1);
            }
        }
    }
}
