//! One node of the graph, whose way back is a closure.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};
use std::fmt;
use std::sync::Arc;

/// From the gradient of the result to those of what went in.
pub(super) struct WayBack<B: Backend, const N: usize>(Arc<Gradient<B, N>>);

type Gradient<B, const N: usize> = dyn Fn(FloatTensor<B>) -> [FloatTensor<B>; N] + Send + Sync;

impl<B: Backend, const N: usize> WayBack<B, N> {
    pub(super) fn new(
        gradients: impl Fn(FloatTensor<B>) -> [FloatTensor<B>; N] + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(gradients))
    }
}

impl<B: Backend, const N: usize> Clone for WayBack<B, N> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Backend, const N: usize> fmt::Debug for WayBack<B, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the gradients of {N} tensors")
    }
}

#[derive(Debug)]
struct Node<const N: usize>;

impl<B: Backend, const N: usize> Backward<B, N> for Node<N> {
    type State = WayBack<B, N>;

    fn backward(self, ops: Ops<WayBack<B, N>, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dout = grads.consume::<B>(&ops.node);
        for (node, grad) in ops.parents.into_iter().zip((ops.state.0)(dout)) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

/// Runs `forward` on the inner tensors and puts its way back into the graph.
pub(super) fn node<B: Backend, const N: usize, C: CheckpointStrategy>(
    inputs: [FloatTensor<Autodiff<B, C>>; N],
    forward: impl FnOnce([FloatTensor<B>; N]) -> (FloatTensor<B>, WayBack<B, N>),
) -> FloatTensor<Autodiff<B, C>> {
    let mut inner = Vec::with_capacity(N);
    let nodes = inputs.map(|input| {
        let (primitive, node) = input.into_parts();
        inner.push(primitive);
        node
    });
    let Ok(inner) = inner.try_into() else { unreachable!("one for each input") };
    let (out, back) = forward(inner);
    match Node.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(back, out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}
