//! Every fused operation against its spelled-out form in Burn, and its gradients against central differences; the
//! spelled-out form's gradients by hand, which other devices use, against those of autodiff.
//!
//! Sizes are odd on purpose: vector lanes, tiles and their tails all take part.

use burn::tensor::{Device, Tensor, TensorData};
use shuyuan_tensor::{
    AttentionArgs, AttentionShape, LossArgs, Precision, Rope, cpu, cpu_autodiff, plain, read,
};
use std::sync::{Arc, Mutex};

const F32: Precision = Precision::F32;
const EPS: f32 = 1e-5;

/// Numbers spread evenly over −1 to 1 (xorshift64*), the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }

    fn numbers(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next() as f32 / (1u64 << 31) as f32 - 1.0).collect()
    }

    fn ids(&mut self, len: usize, below: u64) -> Arc<[u32]> {
        (0..len).map(|_| (self.next() % below) as u32).collect()
    }
}

/// One operation in two forms, over inputs that are given flat.
struct Case<'a> {
    name: &'a str,
    inputs: Vec<(&'a str, usize)>,
    fused: &'a dyn Fn(&[Tensor<1>]) -> Tensor<1>,
    plain: &'a dyn Fn(&[Tensor<1>]) -> Tensor<1>,
    /// Of the inputs, by hand, given that of the output.
    by_hand: &'a dyn Fn(&[Tensor<1>], Tensor<1>) -> Vec<Tensor<1>>,
}

impl Case<'_> {
    fn inputs(&self) -> Vec<Vec<f32>> {
        let mut random = Random(0x5EED);
        self.inputs.iter().map(|(_, len)| random.numbers(*len)).collect()
    }

    /// The output, and the gradients of `projection` · output; with `only`, of that input alone.
    fn run(
        &self,
        op: &dyn Fn(&[Tensor<1>]) -> Tensor<1>,
        inputs: &[Vec<f32>],
        only: Option<usize>,
    ) -> (Vec<f32>, Vec<Option<Vec<f32>>>) {
        let device = cpu_autodiff();
        let leaf = |(index, numbers): (usize, &Vec<f32>)| {
            let leaf = flat(numbers, &device);
            if only.is_none_or(|only| only == index) { leaf.require_grad() } else { leaf }
        };
        let leaves: Vec<_> = inputs.iter().enumerate().map(leaf).collect();
        let out = op(&leaves);
        let numbers = read(&out, <[f32]>::to_vec);
        let projection = flat(&projection(numbers.len()), &device);
        let grads = (out * projection).sum().backward();
        let grad = |leaf: &Tensor<1>| leaf.grad(&grads).map(|grad| read(&grad, <[f32]>::to_vec));
        (numbers, leaves.iter().map(grad).collect())
    }

    /// `projection` · output without gradients, summed in f64.
    fn value(&self, inputs: &[Vec<f32>]) -> f64 {
        let leaves: Vec<_> = inputs.iter().map(|numbers| flat(numbers, &cpu())).collect();
        read(&(self.fused)(&leaves), |out| {
            out.iter().zip(projection(out.len())).map(|(y, r)| f64::from(*y) * f64::from(r)).sum()
        })
    }

    /// Result and gradients equal those of the plain form. Both work in f32 and add up to some hundred terms in
    /// different orders, some units of 2⁻²⁴ each: 2e-6 of the largest was found at most, ten times that is allowed.
    fn equals_plain(&self) {
        let inputs = self.inputs();
        let (fused, fused_grads) = self.run(self.fused, &inputs, None);
        let (plain, plain_grads) = self.run(self.plain, &inputs, None);
        let leaves: Vec<_> = inputs.iter().map(|numbers| flat(numbers, &cpu())).collect();
        let untracked = read(&(self.fused)(&leaves), <[f32]>::to_vec);
        assert_eq!(untracked, fused, "{}: the result must not depend on tracking", self.name);
        self.close("the result", &fused, &plain, 2e-5);
        let by_hand = (self.by_hand)(&leaves, flat(&projection(plain.len()), &cpu()));
        assert_eq!(by_hand.len(), inputs.len(), "{}", self.name);
        for (index, (name, _)) in self.inputs.iter().enumerate() {
            let (Some(fused), Some(plain)) = (&fused_grads[index], &plain_grads[index]) else {
                panic!("{}: no gradient for {name}", self.name);
            };
            self.close(&format!("the gradient of {name}"), fused, plain, 2e-5);
            let by_hand = read(&by_hand[index], <[f32]>::to_vec);
            self.close(&format!("the gradient of {name} by hand"), &by_hand, plain, 2e-5);
            let (_, alone) = self.run(self.fused, &inputs, Some(index));
            assert_eq!(alone[index].as_ref(), Some(fused), "{}: {name} tracked alone", self.name);
            let others = alone.iter().enumerate().filter(|(other, grad)| *other != index && grad.is_some());
            assert_eq!(others.count(), 0, "{}: gradients that nobody asked for", self.name);
        }
    }

    /// Gradients equal the slope of the forward pass.
    ///
    /// Five points, with h = 1/32: what the formula leaves out is h⁴/30 of the fifth derivative, some 1e-7; rounding
    /// of f32 results near 1 divided by h is some 1e-5 (2e-5 at most was found). 2e-4 of the largest gradient lies
    /// above both, and well below what a forgotten factor or term would change.
    fn equals_slope(&self, h: f32, tolerance: f32) {
        let mut inputs = self.inputs();
        let (_, grads) = self.run(self.fused, &inputs, None);
        for (index, (name, len)) in self.inputs.iter().enumerate() {
            let mut slopes = Vec::with_capacity(*len);
            for at in 0..*len {
                let here = inputs[index][at];
                let mut value = |steps: f32| {
                    inputs[index][at] = here + steps * h;
                    self.value(&inputs)
                };
                let near = value(1.0) - value(-1.0);
                let far = value(2.0) - value(-2.0);
                inputs[index][at] = here;
                slopes.push(((8.0 * near - far) / (12.0 * f64::from(h))) as f32);
            }
            let grad =
                grads[index].as_ref().unwrap_or_else(|| panic!("{}: no gradient for {name}", self.name));
            self.close(&format!("the slope along {name}"), grad, &slopes, tolerance);
        }
    }

    /// Panics where a number is further off than `tolerance` of the largest.
    fn close(&self, what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
        assert_eq!(found.len(), expected.len(), "{}: {what}: lengths", self.name);
        let largest = expected.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
        assert!(largest > 1e-3, "{}: {what}: all nearly zero, which tests nothing", self.name);
        let mut worst = (0.0, 0);
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            let off = (found - expected).abs() / largest;
            // Not a number is the worst of all.
            if off > worst.0 || off.is_nan() {
                worst = (off, at);
            }
        }
        println!("{}: {what}: off by {:.1e} of the largest, {largest:.3}", self.name, worst.0);
        assert!(
            worst.0 <= tolerance,
            "{}: {what}: off by {:.1e} of the largest at {}: found {}, expected {}",
            self.name,
            worst.0,
            worst.1,
            found[worst.1],
            expected[worst.1]
        );
    }
}

fn flat(numbers: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(numbers.to_vec(), [numbers.len()]), device)
}

fn projection(len: usize) -> Vec<f32> {
    Random(0xCA5E).numbers(len)
}

fn end<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    x.flatten(0, D - 1)
}

/// Small enough for differences, then past one vector, tile and task.
fn check(build: impl Fn(bool, &dyn Fn(&Case))) {
    build(false, &|case| {
        case.equals_plain();
        case.equals_slope(1.0 / 32.0, 2e-4);
    });
    build(true, &|case| case.equals_plain());
}

fn flats<const D: usize, const N: usize>(tensors: [Tensor<D>; N]) -> Vec<Tensor<1>> {
    tensors.map(end).to_vec()
}

#[test]
fn embedding() {
    check(|large, judge| {
        let (n, v, c) = if large { (257, 101, 67) } else { (9, 7, 5) };
        let ids = Random(1).ids(n, v as u64 - 1); // one row is never looked up
        judge(&Case {
            name: "embedding",
            inputs: vec![("weight", v * c)],
            fused: &|x| end(shuyuan_tensor::embedding(x[0].clone().reshape([v, c]), ids.clone(), F32)),
            plain: &|x| end(plain::embedding(x[0].clone().reshape([v, c]), &ids)),
            by_hand: &|_, dy| flats([plain::embedding_backward(dy.reshape([n, c]), &ids, v, F32)]),
        });
    });
}

#[test]
fn norm_attention() {
    // (B, T, H, K, D), C: one key head for all, several groups, none shared; with one document and with more.
    let small = [((2, 7, 3, 1, 6), 21), ((1, 5, 4, 2, 4), 17), ((1, 1, 1, 1, 4), 3)];
    let large = [((2, 131, 6, 2, 18), 77), ((1, 67, 5, 5, 64), 99)];
    let cases = small.map(|sizes| (sizes, true)).into_iter().chain(large.map(|sizes| (sizes, false)));
    for (((batch, tokens, heads, kv_heads, head_dim), c), slopes) in cases {
        let shape = AttentionShape { batch, tokens, heads, kv_heads, head_dim };
        let n = batch * tokens;
        let (q, k) = (heads * head_dim, kv_heads * head_dim);
        // Rows of one document, then rows whose documents begin at a third and at a half, then a token alone.
        let packed = |t: usize| match t {
            t if t == tokens - 1 => t,
            t if t >= tokens / 2 => tokens / 2,
            t if t >= tokens / 3 => tokens / 3,
            _ => 0,
        };
        for packed in [&|_| 0, &packed as &dyn Fn(usize) -> usize] {
            let starts: Arc<[u32]> = (0..n).map(|row| packed(row % tokens) as u32).collect();
            let rope = Rope::new(tokens, head_dim, 10_000.0);
            let args = || AttentionArgs::new(shape, starts.clone(), rope.clone(), EPS, F32);
            let state = |x: &[Tensor<1>]| (x[0].clone().reshape([n, c]), x[1].clone());
            let weights = |x: &[Tensor<1>]| {
                [(2, q), (3, k), (4, k)].map(|(at, out): (usize, usize)| x[at].clone().reshape([out, c]))
            };
            let norms = |x: &[Tensor<1>]| [x[5].clone(), x[6].clone()];
            let case = Case {
                name: "norm_attention",
                inputs: vec![
                    ("x", n * c),
                    ("norm", c),
                    ("q", q * c),
                    ("k", k * c),
                    ("v", k * c),
                    ("q_norm", head_dim),
                    ("k_norm", head_dim),
                ],
                fused: &|x| {
                    let (state, norm) = state(x);
                    end(shuyuan_tensor::norm_attention(state, norm, weights(x), norms(x), args()))
                },
                plain: &|x| {
                    let (state, norm) = state(x);
                    end(plain::norm_attention(state, norm, weights(x), norms(x), &args()).0)
                },
                by_hand: &|x, dout| {
                    let ((state, norm), args) = (state(x), args());
                    let (_, kept) =
                        plain::norm_attention(state.clone(), norm.clone(), weights(x), norms(x), &args);
                    let (dx, dnorm, dweights, dnorms) = plain::norm_attention_backward(
                        dout.reshape([n, q]),
                        state,
                        norm,
                        weights(x),
                        norms(x),
                        kept,
                        &args,
                    );
                    [flats([dx]), vec![dnorm], flats(dweights), dnorms.to_vec()].concat()
                },
            };
            // Where each token sees itself alone, its query and key change nothing.
            if (0..n).any(|row| starts[row] as usize != row % tokens) {
                case.equals_plain();
                if slopes {
                    // Norms after norms of few numbers bend more: a smaller step, and more rounding in it.
                    case.equals_slope(1.0 / 64.0, 4e-4);
                }
            }
        }
    }
}

#[test]
fn linear_residual() {
    check(|large, judge| {
        let (n, i, o) = if large { (131, 99, 77) } else { (5, 9, 7) };
        let parts = |x: &[Tensor<1>]| {
            (x[0].clone().reshape([n, i]), x[1].clone().reshape([o, i]), x[2].clone().reshape([n, o]))
        };
        judge(&Case {
            name: "linear_residual",
            inputs: vec![("x", n * i), ("weight", o * i), ("residual", n * o)],
            fused: &|x| {
                let (input, weight, residual) = parts(x);
                end(shuyuan_tensor::linear_residual(input, weight, residual, F32))
            },
            plain: &|x| {
                let (input, weight, residual) = parts(x);
                end(plain::linear_residual(input, weight, residual, F32))
            },
            by_hand: &|x, dy| {
                let (input, weight, _) = parts(x);
                let (dx, dweight) =
                    plain::linear_residual_backward(dy.clone().reshape([n, o]), input, weight, F32);
                [flats([dx, dweight]), vec![dy]].concat()
            },
        });
    });
}

#[test]
fn strided_views_are_read_in_their_order() {
    let (n, i, o) = (5, 9, 7);
    let transposed = |x: &Tensor<1>, rows, cols| x.clone().reshape([cols, rows]).transpose();
    let case = Case {
        name: "linear_residual of transposed views",
        inputs: vec![("x", n * i), ("weight", o * i), ("residual", n * o)],
        fused: &|x| {
            let (input, residual) = (transposed(&x[0], n, i), transposed(&x[2], n, o));
            // Transposed once more, so that the gradient arrives as a view as well.
            end(shuyuan_tensor::linear_residual(input, transposed(&x[1], o, i), residual, F32).transpose())
        },
        plain: &|x| {
            let (input, residual) = (transposed(&x[0], n, i), transposed(&x[2], n, o));
            end(plain::linear_residual(input, transposed(&x[1], o, i), residual, F32).transpose())
        },
        by_hand: &|x, dy| {
            let dy = dy.reshape([o, n]).transpose();
            let (dx, dweight) = plain::linear_residual_backward(
                dy.clone(),
                transposed(&x[0], n, i),
                transposed(&x[1], o, i),
                F32,
            );
            flats([dx.transpose(), dweight.transpose(), dy.transpose()])
        },
    };
    case.equals_plain();
}

#[test]
fn norm_mlp() {
    check(|large, judge| {
        let (n, c, i) = if large { (131, 77, 101) } else { (5, 7, 11) };
        let weights = |x: &[Tensor<1>]| {
            [(2, [i, c]), (3, [i, c]), (4, [c, i])].map(|(index, dims)| x[index].clone().reshape(dims))
        };
        let state = |x: &[Tensor<1>]| (x[0].clone().reshape([n, c]), x[1].clone());
        judge(&Case {
            name: "norm_mlp",
            inputs: vec![("x", n * c), ("norm", c), ("gate", i * c), ("up", i * c), ("down", c * i)],
            fused: &|x| {
                let (state, norm) = state(x);
                end(shuyuan_tensor::norm_mlp(state, norm, weights(x), EPS, F32))
            },
            plain: &|x| {
                let (state, norm) = state(x);
                end(plain::norm_mlp(state, norm, weights(x), EPS, F32).0)
            },
            by_hand: &|x, dout| {
                let (state, norm) = state(x);
                let (_, kept) = plain::norm_mlp(state.clone(), norm.clone(), weights(x), EPS, F32);
                let dout = dout.reshape([n, c]);
                let (dx, dnorm, dweights) =
                    plain::norm_mlp_backward(dout, state, norm, weights(x), kept, EPS, F32);
                [flats([dx]), vec![dnorm], flats(dweights)].concat()
            },
        });
    });
}

#[test]
fn a_layer_worked_out_again_gives_the_same_bits() {
    let (b, t, c, h, k, d, i) = (3, 37, 45, 4, 2, 6, 53);
    let shape = AttentionShape { batch: b, tokens: t, heads: h, kv_heads: k, head_dim: d };
    let starts: Arc<[u32]> = (0..b * t).map(|at| if at % t < 20 { 0 } else { 20 }).collect();
    let args = AttentionArgs::new(shape, starts, Rope::new(t, d, 1e4), EPS, Precision::Bf16);
    let norms = [c, d, d, c];
    let matrices = [[h * d, c], [k * d, c], [k * d, c], [c, h * d], [i, c], [i, c], [c, i]];
    let mut random = Random(0x1A7E);
    let mut numbers = vec![random.numbers(b * t * c)];
    numbers
        .extend(norms.iter().copied().chain(matrices.iter().map(|[o, i]| o * i)).map(|n| random.numbers(n)));
    let run = |kept: bool, tracked: &dyn Fn(usize) -> bool| {
        let leaf = |(index, numbers): (usize, &Vec<f32>)| {
            let leaf = flat(numbers, &cpu_autodiff());
            if tracked(index) { leaf.require_grad() } else { leaf }
        };
        let leaves: Vec<_> = numbers.iter().enumerate().map(leaf).collect();
        let x = leaves[0].clone().reshape([b * t, c]);
        let norms: [Tensor<1>; 4] = std::array::from_fn(|n| leaves[1 + n].clone());
        let matrices: [Tensor<2>; 7] = std::array::from_fn(|m| leaves[5 + m].clone().reshape(matrices[m]));
        let out = if kept {
            let ([norm, q_norm, k_norm, mlp_norm], [q, k, v, o, gate, up, down]) = (norms, matrices);
            let heads =
                shuyuan_tensor::norm_attention(x.clone(), norm, [q, k, v], [q_norm, k_norm], args.clone());
            let x = shuyuan_tensor::linear_residual(heads, o, x, args.precision);
            shuyuan_tensor::norm_mlp(x, mlp_norm, [gate, up, down], EPS, args.precision)
        } else {
            shuyuan_tensor::layer(x, norms, matrices, args.clone())
        };
        let numbers = read(&out, <[f32]>::to_vec);
        let grads = (end(out) * flat(&projection(b * t * c), &cpu_autodiff())).sum().backward();
        let grad = |leaf: &Tensor<1>| leaf.grad(&grads).map(|grad| read(&grad, <[f32]>::to_vec));
        (numbers, leaves.iter().map(grad).collect::<Vec<_>>())
    };
    let (kept, again) = (run(true, &|_| true), run(false, &|_| true));
    assert!(kept.1.iter().flatten().all(|grad| grad.iter().any(|g| g.abs() > 1e-3)));
    assert!(kept == again, "with all tracked");
    for only in 0..numbers.len() {
        let (kept, again) = (run(true, &|at| at == only), run(false, &|at| at == only));
        assert!(kept == again && again.1.iter().flatten().count() == 1, "with input {only} tracked alone");
    }
}

#[test]
fn loss() {
    check(|large, judge| {
        let (n, c, v) = if large { (131, 77, 1003) } else { (6, 7, 11) };
        let mut targets = Random(2).ids(n, v as u64).to_vec();
        targets.iter_mut().step_by(4).for_each(|target| *target = u32::MAX);
        let targets: Arc<[u32]> = targets.into();
        let count = targets.iter().filter(|target| **target != u32::MAX).count() as f32;
        let args = LossArgs { targets: targets.clone(), count, eps: EPS, precision: F32, per_token: None };
        let parts =
            |x: &[Tensor<1>]| (x[0].clone().reshape([n, c]), x[1].clone(), x[2].clone().reshape([v, c]));
        judge(&Case {
            name: "loss",
            inputs: vec![("x", n * c), ("norm", c), ("head", v * c)],
            fused: &|x| {
                let (state, norm, head) = parts(x);
                shuyuan_tensor::loss(state, norm, head, args.clone())
            },
            plain: &|x| {
                let (state, norm, head) = parts(x);
                plain::loss(state, norm, head, &args, false).0
            },
            by_hand: &|x, scale| {
                let (state, norm, head) = parts(x);
                let (_, grads) = plain::loss(state, norm, head, &args, true);
                let (dx, dnorm, dhead) = grads.unwrap();
                [end(dx), dnorm, end(dhead)].map(|d| d * scale.clone()).to_vec()
            },
        });
    });
}

#[test]
fn losses_of_each_position_add_up_to_the_loss() {
    let (n, c, v) = (6, 7, 11);
    let mut random = Random(3);
    let mut part = |rows, cols| flat(&random.numbers(rows * cols), &cpu()).reshape([rows, cols]);
    let (x, head, norm) = (part(n, c), part(v, c), part(1, c).reshape([c]));
    let targets: Arc<[u32]> = [3, u32::MAX, 10, 0, u32::MAX, 5].into();
    let per_token = Arc::new(Mutex::new(Vec::new()));
    let args = LossArgs { targets, count: 4.0, eps: EPS, precision: F32, per_token: Some(per_token.clone()) };
    let loss = read(&shuyuan_tensor::loss(x, norm, head, args), |loss| loss[0]);
    let losses = per_token.lock().unwrap();
    assert_eq!(losses.len(), n);
    assert_eq!((losses[1], losses[4]), (0.0, 0.0));
    // Six additions in f32 at most.
    assert!((losses.iter().sum::<f32>() / 4.0 - loss).abs() < 1e-6, "{losses:?} {loss}");
}
