//! The feed-forward part of a layer: RMSNorm, SwiGLU, and back into the residual stream.

use crate::profile::span;
use crate::slices::{dims, slice, tensor};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn_flex::FlexTensor;
use shuyuan_kernels::{self as kernels, Kept, Mlp, MlpGrads, Precision};
use std::sync::Arc;

/// Returns the output, and with `keep` what the backward pass needs.
pub(super) fn forward(
    x: &FlexTensor,
    norm: &FlexTensor,
    weights: [&FlexTensor; 3],
    eps: f32,
    precision: Precision,
    keep: bool,
) -> (FlexTensor, Option<Kept>) {
    let _span = span("norm_mlp forward");
    let [norm, gate, up, down] = [norm, weights[0], weights[1], weights[2]].map(slice);
    let mlp = Mlp { norm: &norm, gate: &gate, up: &up, down: &down, eps, precision };
    let shape: [usize; 2] = dims(x);
    let x = slice(x);
    let mut out = x.to_vec();
    let kept = kernels::norm_mlp(mlp, &x, &mut out, keep);
    (tensor(out, shape), kept)
}

#[derive(Debug)]
struct NormMlpBackward;

#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    norm: FlexTensor,
    weights: [FlexTensor; 3],
    kept: Option<Arc<Kept>>,
    eps: f32,
    precision: Precision,
}

impl Backward<Flex, 5> for NormMlpBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let _span = span("norm_mlp backward");
        let dout = grads.consume::<Flex>(&ops.node);
        let State { x, norm, weights, kept, eps, precision } = ops.state;
        let ([n, c], [i, _]) = (dims(&x), dims(&weights[0]));
        let [x_node, norm_node, gate_node, up_node, down_node] = ops.parents;
        let kept = kept.unwrap_or_else(|| unreachable!("the forward pass keeps what it tracks"));
        let dout = slice(&dout);
        let mut dx = dout.to_vec();
        let mut dnorm = vec![0.0; c];
        let mut dweights = [&gate_node, &up_node, &down_node].map(|n| n.is_some().then(|| vec![0.0; i * c]));
        {
            let [norm, gate, up, down] = [&norm, &weights[0], &weights[1], &weights[2]].map(slice);
            let mlp = Mlp { norm: &norm, gate: &gate, up: &up, down: &down, eps, precision };
            let [gate, up, down] = dweights.each_mut().map(|d| d.as_deref_mut());
            let into = MlpGrads { norm: &mut dnorm, gate, up, down };
            kernels::norm_mlp_backward(mlp, &slice(&x), &kept, &dout, &mut dx, into);
        }
        let shapes = [[i, c], [i, c], [c, i]];
        for ((node, d), shape) in [gate_node, up_node, down_node].into_iter().zip(dweights).zip(shapes) {
            if let (Some(node), Some(d)) = (node, d) {
                grads.register::<Flex>(node.id, tensor(d, shape));
            }
        }
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, tensor(dx, [n, c]));
        }
        if let Some(node) = norm_node {
            grads.register::<Flex>(node.id, tensor(dnorm, [c]));
        }
    }
}

pub(super) fn tracked<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    norm: FloatTensor<Autodiff<Flex, C>>,
    [gate, up, down]: [FloatTensor<Autodiff<Flex, C>>; 3],
    eps: f32,
    precision: Precision,
) -> FloatTensor<Autodiff<Flex, C>> {
    let ((x, x_node), (norm, norm_node)) = (x.into_parts(), norm.into_parts());
    let ((gate, gate_node), (up, up_node), (down, down_node)) =
        (gate.into_parts(), up.into_parts(), down.into_parts());
    let (out, kept) = forward(&x, &norm, [&gate, &up, &down], eps, precision, true);
    let nodes = [x_node, norm_node, gate_node, up_node, down_node];
    match NormMlpBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(
            State { x, norm, weights: [gate, up, down], kept: kept.map(Arc::new), eps, precision },
            out,
        ),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}
