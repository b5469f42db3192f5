//! A whole layer that keeps nothing but what went in: on the way back it is worked out again.

use super::node::{WayBack, node};
use super::{AttentionArgs, FusedOps};
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend};

/// The state; norm, projections to queries, keys and values, their two norms; the projection back; norm, gate, up, down.
pub(super) type Inputs<B> = [FloatTensor<B>; 12];

pub(super) fn forward<B: FusedOps>(inputs: Inputs<B>, args: AttentionArgs) -> FloatTensor<B> {
    let [x, norm, q, k, v, q_norm, k_norm, o, mlp_norm, gate, up, down] = inputs;
    let (eps, precision) = (args.eps, args.precision);
    let heads = B::norm_attention(x.clone(), norm, q, k, v, q_norm, k_norm, args);
    let x = B::linear_residual(heads, o, x, precision);
    B::norm_mlp(x, mlp_norm, gate, up, down, eps, precision)
}

/// The way back goes forward once more, with a graph of its own, and through that one back.
pub(super) fn tracked<B: FusedOps, C: CheckpointStrategy>(
    inputs: Inputs<Autodiff<B, C>>,
    args: AttentionArgs,
) -> FloatTensor<Autodiff<B, C>>
where
    Autodiff<B, C>: FusedOps + AutodiffBackend<InnerBackend = B>,
{
    type Tracked<B, C> = Autodiff<B, C>;
    node::<B, 12, C>(inputs, |inputs| {
        let out = forward::<B>(inputs.clone(), args.clone());
        let back = move |dout| {
            let leaf =
                |input| Tracked::<B, C>::float_set_require_grad(Tracked::<B, C>::from_inner(input), true);
            let leaves = inputs.clone().map(leaf);
            let out = forward::<Tracked<B, C>>(leaves.clone(), args.clone());
            // The gradient of `out · dout` by `out` is `dout`.
            let along = Tracked::<B, C>::float_mul(out, Tracked::<B, C>::from_inner(dout));
            let mut grads = Tracked::<B, C>::backward(Tracked::<B, C>::float_sum(along));
            leaves.map(|leaf| {
                Tracked::<B, C>::grad_remove(&leaf, &mut grads).unwrap_or_else(|| {
                    unreachable!("every operation of a layer gives each input its gradient")
                })
            })
        };
        (out, WayBack::new(back))
    })
}
