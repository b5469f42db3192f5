//! The operations of a decoder, coarse enough that gradients are written by hand and intermediates stay inside.
//!
//! N stands for B·T, the tokens of a batch. Every operation takes f32 tensors; `Precision` says what the products
//! inside are multiplied in. What they may not be given: other types than f32, shapes that disagree (they panic and
//! name the operation). Off the CPU the operations are those of [`crate::plain`].

#![expect(
    clippy::too_many_arguments,
    reason = "the tensors of half a layer; on the method, the macro would copy it to where nothing is expected"
)]

mod attention;
#[cfg(feature = "gpu")]
mod cube;
mod embedding;
mod layer;
mod linear_residual;
mod loss;
mod node;
mod norm_mlp;
mod norm_qkv;

pub use attention::{AttentionArgs, Rope};
pub use loss::LossArgs;

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use shuyuan_kernels::Precision;
use std::sync::Arc;

/// The fused operations at the level of backends.
#[backend_extension(Flex, Cube: cfg(feature = "gpu"), Autodiff)]
pub(crate) trait FusedOps: Backend {
    fn embedding(weight: FloatTensor<Self>, ids: Arc<[u32]>, precision: Precision) -> FloatTensor<Self>;
    fn norm_attention(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        q_norm: FloatTensor<Self>,
        k_norm: FloatTensor<Self>,
        args: AttentionArgs,
    ) -> FloatTensor<Self>;
    fn linear_residual(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        precision: Precision,
    ) -> FloatTensor<Self>;
    fn norm_mlp(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        down: FloatTensor<Self>,
        eps: f32,
        precision: Precision,
    ) -> FloatTensor<Self>;
    fn loss(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        head: FloatTensor<Self>,
        args: LossArgs,
    ) -> FloatTensor<Self>;
    fn layer(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        q_norm: FloatTensor<Self>,
        k_norm: FloatTensor<Self>,
        o: FloatTensor<Self>,
        mlp_norm: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        down: FloatTensor<Self>,
        args: AttentionArgs,
    ) -> FloatTensor<Self> {
        let inputs = [x, norm, q, k, v, q_norm, k_norm, o, mlp_norm, gate, up, down];
        layer::forward::<Self>(inputs, args)
    }
}

/// What inference needs beyond: no gradients, so only plain backends have it.
#[backend_extension(Flex, Cube: cfg(feature = "gpu"))]
pub(crate) trait InferenceOps: Backend {
    fn logits(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        head: FloatTensor<Self>,
        eps: f32,
        precision: Precision,
    ) -> FloatTensor<Self>;
}

/// Looks up rows of `weight`. Shapes: `weight` (V, C), `ids` (N); returns (N, C). Panics if an id is V or more. The CPU
/// adds gradients up in f32 in any case.
pub fn embedding(weight: Tensor<2>, ids: Arc<[u32]>, precision: Precision) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::embedding(weight.into_dispatch(), ids, precision))
}

/// RMSNorm, projections to queries, keys and values, QK-norm, RoPE and causal attention within documents.
///
/// Shapes: `x` (N, C), `norm` (C), projections (H·D, C), (K·D, C), (K·D, C), their norms (D); returns (N, H·D).
pub fn norm_attention(
    x: Tensor<2>,
    norm: Tensor<1>,
    [q, k, v]: [Tensor<2>; 3],
    [q_norm, k_norm]: [Tensor<1>; 2],
    args: AttentionArgs,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::norm_attention(
        x.into_dispatch(),
        norm.into_dispatch(),
        q.into_dispatch(),
        k.into_dispatch(),
        v.into_dispatch(),
        q_norm.into_dispatch(),
        k_norm.into_dispatch(),
        args,
    ))
}

/// `residual + x · weightᵀ`. Shapes: `x` (N, I), `weight` (O, I), `residual` (N, O); returns (N, O).
pub fn linear_residual(
    x: Tensor<2>,
    weight: Tensor<2>,
    residual: Tensor<2>,
    precision: Precision,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::linear_residual(
        x.into_dispatch(),
        weight.into_dispatch(),
        residual.into_dispatch(),
        precision,
    ))
}

/// `x + down(silu(gate(n)) · up(n))` with n = RMSNorm(x): the whole feed-forward part of a layer.
///
/// Shapes: `x` (N, C), `norm` (C), `gate` and `up` (I, C), `down` (C, I); returns (N, C).
pub fn norm_mlp(
    x: Tensor<2>,
    norm: Tensor<1>,
    [gate, up, down]: [Tensor<2>; 3],
    eps: f32,
    precision: Precision,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::norm_mlp(
        x.into_dispatch(),
        norm.into_dispatch(),
        gate.into_dispatch(),
        up.into_dispatch(),
        down.into_dispatch(),
        eps,
        precision,
    ))
}

/// A whole layer, [`norm_attention`], [`linear_residual`] and [`norm_mlp`], of which nothing is kept but what went in: the
/// way back works it out again, for a third of the layer's time and a seventh of its memory.
///
/// Shapes: `x` (N, C); `norms` before attention (C), of queries and keys (D), before the feed-forward part (C); `matrices`
/// q, k, v, o, gate, up, down, as those have them; returns (N, C).
pub fn layer(
    x: Tensor<2>,
    [norm, q_norm, k_norm, mlp_norm]: [Tensor<1>; 4],
    [q, k, v, o, gate, up, down]: [Tensor<2>; 7],
    args: AttentionArgs,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::layer(
        x.into_dispatch(),
        norm.into_dispatch(),
        q.into_dispatch(),
        k.into_dispatch(),
        v.into_dispatch(),
        q_norm.into_dispatch(),
        k_norm.into_dispatch(),
        o.into_dispatch(),
        mlp_norm.into_dispatch(),
        gate.into_dispatch(),
        up.into_dispatch(),
        down.into_dispatch(),
        args,
    ))
}

/// Final RMSNorm, output layer and mean cross-entropy, without holding the logits.
///
/// Shapes: `x` (N, C), `norm` (C), `head` (V, C); returns (1). Where gradients are tracked they are computed on the
/// way forward, so this must be the end of the graph or be followed by scaling only.
pub fn loss(x: Tensor<2>, norm: Tensor<1>, head: Tensor<2>, args: LossArgs) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::loss(
        x.into_dispatch(),
        norm.into_dispatch(),
        head.into_dispatch(),
        args,
    ))
}

/// Final RMSNorm and output layer. Shapes: `x` (N, C), `norm` (C), `head` (V, C); returns (N, V). Without gradients.
pub fn logits(x: Tensor<2>, norm: Tensor<1>, head: Tensor<2>, eps: f32, precision: Precision) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as InferenceOps>::logits(
        x.into_dispatch(),
        norm.into_dispatch(),
        head.into_dispatch(),
        eps,
        precision,
    ))
}

impl FusedOps for Flex {
    fn embedding(weight: FloatTensor<Self>, ids: Arc<[u32]>, _: Precision) -> FloatTensor<Self> {
        embedding::forward(&weight, &ids)
    }

    fn norm_attention(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        q_norm: FloatTensor<Self>,
        k_norm: FloatTensor<Self>,
        args: AttentionArgs,
    ) -> FloatTensor<Self> {
        let qkv = norm_qkv::forward(&x, &norm, [&q, &k, &v], args.eps, args.precision);
        attention::forward(&qkv, &q_norm, &k_norm, &args).0
    }

    fn linear_residual(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        precision: Precision,
    ) -> FloatTensor<Self> {
        linear_residual::forward(&x, &weight, &residual, precision)
    }

    fn norm_mlp(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        down: FloatTensor<Self>,
        eps: f32,
        precision: Precision,
    ) -> FloatTensor<Self> {
        norm_mlp::forward(&x, &norm, [&gate, &up, &down], eps, precision, false).0
    }

    fn loss(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        head: FloatTensor<Self>,
        args: LossArgs,
    ) -> FloatTensor<Self> {
        loss::forward(&x, &norm, &head, &args, false).0
    }
}

impl InferenceOps for Flex {
    fn logits(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        head: FloatTensor<Self>,
        eps: f32,
        precision: Precision,
    ) -> FloatTensor<Self> {
        loss::logits(&x, &norm, &head, eps, precision)
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn embedding(weight: FloatTensor<Self>, ids: Arc<[u32]>, _: Precision) -> FloatTensor<Self> {
        embedding::tracked::<C>(weight, ids)
    }

    fn norm_attention(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        q_norm: FloatTensor<Self>,
        k_norm: FloatTensor<Self>,
        args: AttentionArgs,
    ) -> FloatTensor<Self> {
        let qkv = norm_qkv::tracked::<C>(x, norm, [q, k, v], args.eps, args.precision);
        attention::tracked::<C>(qkv, q_norm, k_norm, args)
    }

    fn linear_residual(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        precision: Precision,
    ) -> FloatTensor<Self> {
        linear_residual::tracked::<C>(x, weight, residual, precision)
    }

    fn norm_mlp(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        down: FloatTensor<Self>,
        eps: f32,
        precision: Precision,
    ) -> FloatTensor<Self> {
        norm_mlp::tracked::<C>(x, norm, [gate, up, down], eps, precision)
    }

    fn loss(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        head: FloatTensor<Self>,
        args: LossArgs,
    ) -> FloatTensor<Self> {
        loss::tracked::<C>(x, norm, head, args)
    }

    fn layer(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        q_norm: FloatTensor<Self>,
        k_norm: FloatTensor<Self>,
        o: FloatTensor<Self>,
        mlp_norm: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        down: FloatTensor<Self>,
        args: AttentionArgs,
    ) -> FloatTensor<Self> {
        let inputs = [x, norm, q, k, v, q_norm, k_norm, o, mlp_norm, gate, up, down];
        layer::tracked::<Flex, C>(inputs, args)
    }
}
