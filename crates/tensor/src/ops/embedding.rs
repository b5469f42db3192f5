//! Rows of a table, by id.

use crate::profile::span;
use crate::slices::{dims, slice, tensor};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn_flex::FlexTensor;
use shuyuan_kernels as kernels;
use std::sync::Arc;

pub(super) fn forward(weight: &FlexTensor, ids: &[u32]) -> FlexTensor {
    let _span = span("embedding forward");
    let [_, c] = dims(weight);
    let mut y = vec![0.0; ids.len() * c];
    kernels::embedding(&slice(weight), ids, &mut y);
    tensor(y, [ids.len(), c])
}

#[derive(Debug)]
struct EmbeddingBackward;

#[derive(Clone, Debug)]
struct State {
    ids: Arc<[u32]>,
    dims: [usize; 2],
}

impl Backward<Flex, 1> for EmbeddingBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let _span = span("embedding backward");
        let dy = grads.consume::<Flex>(&ops.node);
        let [Some(weight)] = ops.parents else { return };
        let [v, c] = ops.state.dims;
        let mut dweight = vec![0.0; v * c];
        kernels::embedding_backward(&slice(&dy), &ops.state.ids, &mut dweight);
        grads.register::<Flex>(weight.id, tensor(dweight, [v, c]));
    }
}

pub(super) fn tracked<C: CheckpointStrategy>(
    weight: FloatTensor<Autodiff<Flex, C>>,
    ids: Arc<[u32]>,
) -> FloatTensor<Autodiff<Flex, C>> {
    let (weight, node) = weight.into_parts();
    let y = forward(&weight, &ids);
    match EmbeddingBackward.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(State { ids, dims: dims(&weight) }, y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}
