//! The feed-forward part of a layer: RMSNorm, SwiGLU, and back into the residual stream.

use super::norm_qkv::normed;
use crate::profile::span;
use crate::slices::{dims, slice, tensor};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn_flex::FlexTensor;
use shuyuan_kernels::{Mat, MatMut, Precision, matmul, rms_norm_backward, swiglu, swiglu_backward};

/// Returns the output, 1/rms of each row, and [gate | up] (N, 2I).
pub(super) fn forward(
    x: &FlexTensor,
    norm: &FlexTensor,
    [gate, up, down]: [&FlexTensor; 3],
    eps: f32,
    precision: Precision,
) -> (FlexTensor, Vec<f32>, Vec<f32>) {
    let _span = span("norm_mlp forward");
    let ([n, c], [i, _]) = (dims(x), dims(gate));
    let (y, rstd) = normed(x, norm, eps);
    let mut gate_up = vec![0.0; n * 2 * i];
    for (weight, column) in [(gate, 0), (up, i)] {
        let out = MatMut { data: &mut gate_up[column.min(n * 2 * i)..], rows: n, cols: i, row_stride: 2 * i };
        matmul(Mat::new(&y, n, c), Mat::new(&slice(weight), i, c).t(), out, false, precision);
    }
    let mut h = vec![0.0; n * i];
    swiglu(&gate_up, &mut h, n, i);
    let mut out = slice(x).to_vec();
    matmul(
        Mat::new(&h, n, i),
        Mat::new(&slice(down), c, i).t(),
        MatMut::new(&mut out, n, c),
        true,
        precision,
    );
    (tensor(out, [n, c]), rstd, gate_up)
}

#[derive(Debug)]
struct NormMlpBackward;

#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    norm: FlexTensor,
    weights: [FlexTensor; 3],
    rstd: Vec<f32>,
    gate_up: Vec<f32>,
    eps: f32,
    precision: Precision,
}

impl Backward<Flex, 5> for NormMlpBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let _span = span("norm_mlp backward");
        let dout = grads.consume::<Flex>(&ops.node);
        let State { x, norm, weights: [gate, up, down], rstd, gate_up, eps, precision } = ops.state;
        let ([n, c], [i, _]) = (dims(&x), dims(&gate));
        let [x_node, norm_node, gate_node, up_node, down_node] = ops.parents;
        let dout = slice(&dout);
        let dout_mat = Mat::new(&dout, n, c);

        let mut h = vec![0.0; n * i];
        if let Some(node) = down_node {
            swiglu(&gate_up, &mut h, n, i);
            let mut dw = vec![0.0; c * i];
            matmul(dout_mat.t(), Mat::new(&h, n, i), MatMut::new(&mut dw, c, i), false, precision);
            grads.register::<Flex>(node.id, tensor(dw, [c, i]));
        }
        let mut dh = h;
        matmul(dout_mat, Mat::new(&slice(&down), c, i), MatMut::new(&mut dh, n, i), false, precision);
        let mut dgate_up = vec![0.0; n * 2 * i];
        swiglu_backward(&dh, &gate_up, &mut dgate_up, n, i);

        let (y, _) = normed(&x, &norm, eps);
        let mut dy = vec![0.0; n * c];
        for (weight, node, column) in [(&gate, gate_node, 0), (&up, up_node, i)] {
            let part = Mat {
                data: &dgate_up[column.min(dgate_up.len())..],
                rows: n,
                cols: i,
                row_stride: 2 * i,
                col_stride: 1,
            };
            let dy_mat = MatMut::new(&mut dy, n, c);
            matmul(part, Mat::new(&slice(weight), i, c), dy_mat, column > 0, precision);
            if let Some(node) = node {
                let mut dw = vec![0.0; i * c];
                matmul(part.t(), Mat::new(&y, n, c), MatMut::new(&mut dw, i, c), false, precision);
                grads.register::<Flex>(node.id, tensor(dw, [i, c]));
            }
        }
        let (mut dx, mut dnorm) = (y, vec![0.0; c]);
        rms_norm_backward(&dy, &slice(&x), &slice(&norm), &rstd, &mut dx, &mut dnorm);
        if let Some(node) = x_node {
            for (dx, dout) in dx.iter_mut().zip(dout.iter()) {
                *dx += dout;
            }
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
    let (out, rstd, gate_up) = forward(&x, &norm, [&gate, &up, &down], eps, precision);
    let nodes = [x_node, norm_node, gate_node, up_node, down_node];
    match NormMlpBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            prep.finish(State { x, norm, weights: [gate, up, down], rstd, gate_up, eps, precision }, out)
        }
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}
