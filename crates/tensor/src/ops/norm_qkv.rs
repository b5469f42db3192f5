//! RMSNorm and the projections to queries, keys and values.

use crate::profile::span;
use crate::slices::{dims, slice, tensor};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn_flex::FlexTensor;
use shuyuan_kernels::{Linear, Precision, linear, linear_backward};

pub(super) fn forward(
    x: &FlexTensor,
    norm: &FlexTensor,
    weights: [&FlexTensor; 3],
    eps: f32,
    precision: Precision,
) -> FlexTensor {
    let _span = span("norm_qkv forward");
    let [n, c] = dims(x);
    let width: usize = weights.iter().map(|w| dims::<2>(w)[0]).sum();
    let (norm, weights) = (slice(norm), weights.map(slice));
    let weights = weights.each_ref().map(|w| &**w);
    let of = Linear { input: c, norm: Some((&norm, eps)), weights: &weights, precision };
    let mut out = vec![0.0; n * width];
    linear(of, &slice(x), &mut out, false);
    tensor(out, [n, width])
}

#[derive(Debug)]
struct NormQkvBackward;

#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    norm: FlexTensor,
    weights: [FlexTensor; 3],
    eps: f32,
    precision: Precision,
}

impl Backward<Flex, 5> for NormQkvBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let _span = span("norm_qkv backward");
        let dout = grads.consume::<Flex>(&ops.node);
        let State { x, norm, weights, eps, precision } = ops.state;
        let [n, c] = dims(&x);
        let [x_node, norm_node, weight_nodes @ ..] = ops.parents;
        let (mut dx, mut dnorm) = (vec![0.0; n * c], vec![0.0; c]);
        let mut dweights: Vec<Option<Vec<f32>>> = weights
            .iter()
            .zip(&weight_nodes)
            .map(|(w, node)| node.is_some().then(|| vec![0.0; dims::<2>(w)[0] * c]))
            .collect();
        {
            let (norm, weights) = (slice(&norm), weights.each_ref().map(slice));
            let weights = weights.each_ref().map(|w| &**w);
            let of = Linear { input: c, norm: Some((&norm, eps)), weights: &weights, precision };
            let into = dweights.iter_mut().map(Option::as_deref_mut).collect();
            linear_backward(of, &slice(&x), &slice(&dout), &mut dx, &mut dnorm, into);
        }
        for (node, d) in weight_nodes.into_iter().zip(dweights) {
            if let (Some(node), Some(d)) = (node, d) {
                let o = d.len() / c;
                grads.register::<Flex>(node.id, tensor(d, [o, c]));
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
    [q, k, v]: [FloatTensor<Autodiff<Flex, C>>; 3],
    eps: f32,
    precision: Precision,
) -> FloatTensor<Autodiff<Flex, C>> {
    let ((x, x_node), (norm, norm_node)) = (x.into_parts(), norm.into_parts());
    let ((q, q_node), (k, k_node), (v, v_node)) = (q.into_parts(), k.into_parts(), v.into_parts());
    let out = forward(&x, &norm, [&q, &k, &v], eps, precision);
    let nodes = [x_node, norm_node, q_node, k_node, v_node];
    match NormQkvBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(State { x, norm, weights: [q, k, v], eps, precision }, out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}
