//! A projection back into the residual stream.

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
    weight: &FlexTensor,
    residual: &FlexTensor,
    precision: Precision,
) -> FlexTensor {
    let _span = span("linear_residual forward");
    let ([n, i], [o, _]) = (dims(x), dims(weight));
    let mut y = slice(residual).to_vec();
    let of = Linear { input: i, norm: None, weights: &[&slice(weight)], precision };
    linear(of, &slice(x), &mut y, true);
    tensor(y, [n, o])
}

#[derive(Debug)]
struct LinearResidualBackward;

#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    weight: FlexTensor,
    precision: Precision,
}

impl Backward<Flex, 3> for LinearResidualBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let _span = span("linear_residual backward");
        let dy = grads.consume::<Flex>(&ops.node);
        let State { x, weight, precision } = ops.state;
        let ([n, i], [o, _]) = (dims(&x), dims(&weight));
        let [x_node, weight_node, residual_node] = ops.parents;
        let mut dx = vec![0.0; n * i];
        let mut dweight = weight_node.is_some().then(|| vec![0.0; o * i]);
        let of = Linear { input: i, norm: None, weights: &[&slice(&weight)], precision };
        linear_backward(of, &slice(&x), &slice(&dy), &mut dx, &mut [], vec![dweight.as_deref_mut()]);
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, tensor(dx, [n, i]));
        }
        if let (Some(node), Some(d)) = (weight_node, dweight) {
            grads.register::<Flex>(node.id, tensor(d, [o, i]));
        }
        if let Some(node) = residual_node {
            grads.register::<Flex>(node.id, dy);
        }
    }
}

pub(super) fn tracked<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    weight: FloatTensor<Autodiff<Flex, C>>,
    residual: FloatTensor<Autodiff<Flex, C>>,
    precision: Precision,
) -> FloatTensor<Autodiff<Flex, C>> {
    let ((x, x_node), (weight, weight_node), (residual, residual_node)) =
        (x.into_parts(), weight.into_parts(), residual.into_parts());
    let y = forward(&x, &weight, &residual, precision);
    let nodes = [x_node, weight_node, residual_node];
    match LinearResidualBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(State { x, weight, precision }, y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}
