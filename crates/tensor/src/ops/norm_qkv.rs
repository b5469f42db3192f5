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
use shuyuan_kernels::{Mat, MatMut, Precision, matmul, rms_norm, rms_norm_backward};

/// Returns the projections and what the backward pass needs of the norm: 1/rms of each row.
pub(super) fn forward(
    x: &FlexTensor,
    norm: &FlexTensor,
    weights: [&FlexTensor; 3],
    eps: f32,
    precision: Precision,
) -> (FlexTensor, Vec<f32>) {
    let _span = span("norm_qkv forward");
    let [n, c] = dims(x);
    let (y, rstd) = normed(x, norm, eps);
    let width: usize = weights.iter().map(|w| dims::<2>(w)[0]).sum();
    let mut out = vec![0.0; n * width];
    let mut column = 0;
    for weight in weights {
        let [o, _] = dims(weight);
        let c_mat = MatMut { data: &mut out[column.min(n * width)..], rows: n, cols: o, row_stride: width };
        matmul(Mat::new(&y, n, c), Mat::new(&slice(weight), o, c).t(), c_mat, false, precision);
        column += o;
    }
    (tensor(out, [n, width]), rstd)
}

pub(super) fn normed(x: &FlexTensor, norm: &FlexTensor, eps: f32) -> (Vec<f32>, Vec<f32>) {
    let [n, c] = dims(x);
    let (mut y, mut rstd) = (vec![0.0; n * c], vec![0.0; n]);
    rms_norm(&slice(x), &slice(norm), eps, &mut y, &mut rstd);
    (y, rstd)
}

#[derive(Debug)]
struct NormQkvBackward;

#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    norm: FlexTensor,
    weights: [FlexTensor; 3],
    rstd: Vec<f32>,
    eps: f32,
    precision: Precision,
}

impl Backward<Flex, 5> for NormQkvBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let _span = span("norm_qkv backward");
        let dout = grads.consume::<Flex>(&ops.node);
        let State { x, norm, weights, rstd, eps, precision } = ops.state;
        let ([n, c], [_, width]) = (dims(&x), dims(&dout));
        let dout = slice(&dout);
        let (y, _) = normed(&x, &norm, eps);
        let [x_node, norm_node, weight_nodes @ ..] = ops.parents;
        let mut dy = vec![0.0; n * c];
        let mut column = 0;
        for (index, (weight, node)) in weights.iter().zip(weight_nodes).enumerate() {
            let [o, _] = dims(weight);
            let part = Mat {
                data: &dout[column.min(dout.len())..],
                rows: n,
                cols: o,
                row_stride: width,
                col_stride: 1,
            };
            let dy_mat = MatMut::new(&mut dy, n, c);
            matmul(part, Mat::new(&slice(weight), o, c), dy_mat, index > 0, precision);
            if let Some(node) = node {
                let mut dw = vec![0.0; o * c];
                matmul(part.t(), Mat::new(&y, n, c), MatMut::new(&mut dw, o, c), false, precision);
                grads.register::<Flex>(node.id, tensor(dw, [o, c]));
            }
            column += o;
        }
        let (mut dx, mut dnorm) = (y, vec![0.0; c]);
        rms_norm_backward(&dy, &slice(&x), &slice(&norm), &rstd, &mut dx, &mut dnorm);
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
    let (out, rstd) = forward(&x, &norm, [&q, &k, &v], eps, precision);
    let nodes = [x_node, norm_node, q_node, k_node, v_node];
    match NormQkvBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            prep.finish(State { x, norm, weights: [q, k, v], rstd, eps, precision }, out)
        }
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}
