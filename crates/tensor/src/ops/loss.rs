//! The end of the decoder: final norm, output layer, cross-entropy.

use crate::profile::span;
use crate::slices::{dims, slice, tensor};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn_flex::FlexTensor;
use shuyuan_kernels::{
    IGNORE, Mat, MatMut, Precision, linear_cross_entropy, matmul, rms_norm, rms_norm_backward,
};
use std::sync::{Arc, Mutex};

/// What the loss needs to know beside its tensors.
#[derive(Clone, Debug)]
pub struct LossArgs {
    /// (N): the id to predict at each position, or `u32::MAX` where there is none.
    pub targets: Arc<[u32]>,
    /// The sum of losses is divided by this; usually the number of targets, of the whole step where gradients of
    /// several batches are added up.
    pub count: f32,
    /// Of the final norm.
    pub eps: f32,
    /// What products are multiplied in.
    pub precision: Precision,
    /// Where given, receives the loss of each position, undivided.
    pub per_token: Option<Arc<Mutex<Vec<f32>>>>,
}

/// Gradients of the loss with respect to input, norm and head.
#[derive(Clone, Debug)]
pub(super) struct LossGrads {
    dx: FlexTensor,
    dnorm: FlexTensor,
    dhead: FlexTensor,
}

pub(super) fn forward(
    x: &FlexTensor,
    norm: &FlexTensor,
    head: &FlexTensor,
    args: &LossArgs,
    with_grads: bool,
) -> (FlexTensor, Option<LossGrads>) {
    let _span = span("loss forward");
    let ([n, c], [v, _]) = (dims(x), dims(head));
    assert!(args.targets.len() == n, "loss: {} targets for {n} positions", args.targets.len());
    let (y, rstd) = normed(x, norm, args.eps);
    let mut losses = vec![0.0; n];
    let (mut dy, mut dhead) =
        if with_grads { (vec![0.0; n * c], vec![0.0; v * c]) } else { (vec![], vec![]) };
    linear_cross_entropy(
        &y,
        &slice(head),
        &args.targets,
        1.0 / args.count,
        &mut losses,
        with_grads.then_some(&mut dy[..]),
        with_grads.then_some(&mut dhead[..]),
        args.precision,
    );
    let sum: f64 =
        losses.iter().zip(&*args.targets).filter(|(_, t)| **t != IGNORE).map(|(l, _)| f64::from(*l)).sum();
    if let Some(per_token) = &args.per_token {
        *per_token.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = losses;
    }
    let loss = tensor(vec![(sum / f64::from(args.count)) as f32], [1]);
    let grads = with_grads.then(|| {
        let (mut dx, mut dnorm) = (y, vec![0.0; c]);
        rms_norm_backward(&dy, &slice(x), &slice(norm), &rstd, &mut dx, &mut dnorm);
        LossGrads { dx: tensor(dx, [n, c]), dnorm: tensor(dnorm, [c]), dhead: tensor(dhead, [v, c]) }
    });
    (loss, grads)
}

pub(super) fn logits(
    x: &FlexTensor,
    norm: &FlexTensor,
    head: &FlexTensor,
    eps: f32,
    precision: Precision,
) -> FlexTensor {
    let ([n, c], [v, _]) = (dims(x), dims(head));
    let (y, _) = normed(x, norm, eps);
    let mut out = vec![0.0; n * v];
    matmul(
        Mat::new(&y, n, c),
        Mat::new(&slice(head), v, c).t(),
        MatMut::new(&mut out, n, v),
        false,
        precision,
    );
    tensor(out, [n, v])
}

#[derive(Debug)]
struct LossBackward;

impl Backward<Flex, 3> for LossBackward {
    type State = LossGrads;

    fn backward(self, ops: Ops<LossGrads, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let _span = span("loss backward");
        let scale = slice(&grads.consume::<Flex>(&ops.node))[0];
        let LossGrads { dx, dnorm, dhead } = ops.state;
        for (node, mut grad) in ops.parents.into_iter().zip([dx, dnorm, dhead]) {
            if let Some(node) = node {
                if scale != 1.0 {
                    grad.storage_mut::<f32>().iter_mut().for_each(|g| *g *= scale);
                }
                grads.register::<Flex>(node.id, grad);
            }
        }
    }
}

pub(super) fn tracked<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    norm: FloatTensor<Autodiff<Flex, C>>,
    head: FloatTensor<Autodiff<Flex, C>>,
    args: LossArgs,
) -> FloatTensor<Autodiff<Flex, C>> {
    let ((x, x_node), (norm, norm_node), (head, head_node)) =
        (x.into_parts(), norm.into_parts(), head.into_parts());
    match LossBackward.prepare::<C>([x_node, norm_node, head_node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let (loss, grads) = forward(&x, &norm, &head, &args, true);
            let Some(grads) = grads else { unreachable!("gradients were asked for") };
            prep.finish(grads, loss)
        }
        OpsKind::UnTracked(prep) => prep.finish(forward(&x, &norm, &head, &args, false).0),
    }
}

/// The norm of each row, and 1/rms of each.
fn normed(x: &FlexTensor, norm: &FlexTensor, eps: f32) -> (Vec<f32>, Vec<f32>) {
    let [n, c] = dims(x);
    let (mut y, mut rstd) = (vec![0.0; n * c], vec![0.0; n]);
    rms_norm(&slice(x), &slice(norm), eps, &mut y, &mut rstd);
    (y, rstd)
}
