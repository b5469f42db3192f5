//! The operations on GPUs: those of [`crate::plain`], in the graph as one node each.

use super::node::{WayBack, node};
use super::{AttentionArgs, FusedOps, InferenceOps, LossArgs, layer};
use crate::plain;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Cube};
use burn::tensor::Tensor;
use shuyuan_kernels::Precision;
use std::sync::Arc;

type Primitive = FloatTensor<Cube>;
type Tracked<C> = FloatTensor<Autodiff<Cube, C>>;

fn up<const D: usize>(primitive: Primitive) -> Tensor<D> {
    Tensor::from_primitive::<Cube>(primitive)
}

fn down<const D: usize>(tensor: Tensor<D>) -> Primitive {
    tensor
        .try_into_primitive::<Cube>()
        .unwrap_or_else(|error| panic!("expected a tensor on a GPU: {error:?}"))
}

impl FusedOps for Cube {
    fn embedding(weight: Primitive, ids: Arc<[u32]>, _: Precision) -> Primitive {
        down(plain::embedding(up(weight), &ids))
    }

    fn norm_attention(
        x: Primitive,
        norm: Primitive,
        q: Primitive,
        k: Primitive,
        v: Primitive,
        q_norm: Primitive,
        k_norm: Primitive,
        args: AttentionArgs,
    ) -> Primitive {
        let norms = [up(q_norm), up(k_norm)];
        down(plain::norm_attention(up(x), up(norm), [q, k, v].map(up), norms, &args).0)
    }

    fn linear_residual(
        x: Primitive,
        weight: Primitive,
        residual: Primitive,
        precision: Precision,
    ) -> Primitive {
        down(plain::linear_residual(up(x), up(weight), up(residual), precision))
    }

    fn norm_mlp(
        x: Primitive,
        norm: Primitive,
        gate: Primitive,
        up_: Primitive,
        down_: Primitive,
        eps: f32,
        precision: Precision,
    ) -> Primitive {
        down(plain::norm_mlp(up(x), up(norm), [gate, up_, down_].map(up), eps, precision).0)
    }

    fn loss(x: Primitive, norm: Primitive, head: Primitive, args: LossArgs) -> Primitive {
        down(plain::loss(up(x), up(norm), up(head), &args, false).0)
    }
}

impl InferenceOps for Cube {
    fn logits(x: Primitive, norm: Primitive, head: Primitive, eps: f32, precision: Precision) -> Primitive {
        down(plain::logits(up(x), up(norm), up(head), eps, precision))
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Cube, C> {
    fn embedding(weight: Tracked<C>, ids: Arc<[u32]>, precision: Precision) -> Tracked<C> {
        node::<Cube, 1, C>([weight], |[weight]| {
            let weight: Tensor<2> = up(weight);
            let [v, _] = weight.dims();
            let out = down(plain::embedding(weight, &ids));
            (out, WayBack::new(move |dy| [down(plain::embedding_backward(up(dy), &ids, v, precision))]))
        })
    }

    fn norm_attention(
        x: Tracked<C>,
        norm: Tracked<C>,
        q: Tracked<C>,
        k: Tracked<C>,
        v: Tracked<C>,
        q_norm: Tracked<C>,
        k_norm: Tracked<C>,
        args: AttentionArgs,
    ) -> Tracked<C> {
        node::<Cube, 7, C>([x, norm, q, k, v, q_norm, k_norm], |[x, norm, q, k, v, q_norm, k_norm]| {
            let (x, norm, weights): (Tensor<2>, Tensor<1>, [Tensor<2>; 3]) =
                (up(x), up(norm), [q, k, v].map(up));
            let norms: [Tensor<1>; 2] = [up(q_norm), up(k_norm)];
            let (out, kept) =
                plain::norm_attention(x.clone(), norm.clone(), weights.clone(), norms.clone(), &args);
            let back = move |dout| {
                let (x, norm, weights) = (x.clone(), norm.clone(), weights.clone());
                let (dx, dnorm, [dq, dk, dv], [dq_norm, dk_norm]) = plain::norm_attention_backward(
                    up(dout),
                    x,
                    norm,
                    weights,
                    norms.clone(),
                    kept.clone(),
                    &args,
                );
                [down(dx), down(dnorm), down(dq), down(dk), down(dv), down(dq_norm), down(dk_norm)]
            };
            (down(out), WayBack::new(back))
        })
    }

    fn linear_residual(
        x: Tracked<C>,
        weight: Tracked<C>,
        residual: Tracked<C>,
        precision: Precision,
    ) -> Tracked<C> {
        node::<Cube, 3, C>([x, weight, residual], |[x, weight, residual]| {
            let (x, weight): (Tensor<2>, Tensor<2>) = (up(x), up(weight));
            let out = plain::linear_residual(x.clone(), weight.clone(), up(residual), precision);
            let back = move |dy: Primitive| {
                let (dx, dweight) =
                    plain::linear_residual_backward(up(dy.clone()), x.clone(), weight.clone(), precision);
                [down(dx), down(dweight), dy]
            };
            (down(out), WayBack::new(back))
        })
    }

    fn norm_mlp(
        x: Tracked<C>,
        norm: Tracked<C>,
        gate: Tracked<C>,
        up_: Tracked<C>,
        down_: Tracked<C>,
        eps: f32,
        precision: Precision,
    ) -> Tracked<C> {
        node::<Cube, 5, C>([x, norm, gate, up_, down_], |[x, norm, gate, up_, down_]| {
            let (x, norm, weights): (Tensor<2>, Tensor<1>, [Tensor<2>; 3]) =
                (up(x), up(norm), [gate, up_, down_].map(up));
            let (out, kept) = plain::norm_mlp(x.clone(), norm.clone(), weights.clone(), eps, precision);
            let back = move |dout| {
                let (x, norm, weights) = (x.clone(), norm.clone(), weights.clone());
                let (dx, dnorm, [dgate, dup, ddown]) =
                    plain::norm_mlp_backward(up(dout), x, norm, weights, kept.clone(), eps, precision);
                [down(dx), down(dnorm), down(dgate), down(dup), down(ddown)]
            };
            (down(out), WayBack::new(back))
        })
    }

    fn loss(x: Tracked<C>, norm: Tracked<C>, head: Tracked<C>, args: LossArgs) -> Tracked<C> {
        node::<Cube, 3, C>([x, norm, head], |[x, norm, head]| {
            let (loss, grads) = plain::loss(up(x), up(norm), up(head), &args, true);
            let back = move |scale| {
                let Some((dx, dnorm, dhead)) = grads.clone() else {
                    unreachable!("gradients were asked for")
                };
                let scale: Tensor<1> = up(scale);
                let by = scale.clone().reshape([1, 1]);
                [down(dx * by.clone()), down(dnorm * scale), down(dhead * by)]
            };
            (down(loss), WayBack::new(back))
        })
    }

    fn layer(
        x: Tracked<C>,
        norm: Tracked<C>,
        q: Tracked<C>,
        k: Tracked<C>,
        v: Tracked<C>,
        q_norm: Tracked<C>,
        k_norm: Tracked<C>,
        o: Tracked<C>,
        mlp_norm: Tracked<C>,
        gate: Tracked<C>,
        up: Tracked<C>,
        down: Tracked<C>,
        args: AttentionArgs,
    ) -> Tracked<C> {
        let inputs = [x, norm, q, k, v, q_norm, k_norm, o, mlp_norm, gate, up, down];
        layer::tracked::<Cube, C>(inputs, args)
    }
}
