//! Attention within a batch, with gradients.

use crate::plain::Tables;
use crate::profile::span;
use crate::slices::{dims, slice, tensor};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn_flex::FlexTensor;
use shuyuan_kernels::{self as kernels, AttentionShape, Precision};
use std::sync::Arc;

/// The angles of RoPE, as cosines and sines.
#[derive(Clone, Debug)]
pub struct Rope {
    cos: Arc<[f32]>,
    sin: Arc<[f32]>,
    half: usize,
}

impl Rope {
    /// Angles of `positions` positions for heads of `head_dim`: position · theta^(−2i / D). Source: arXiv:2104.09864.
    pub fn new(positions: usize, head_dim: usize, theta: f64) -> Self {
        let half = head_dim / 2;
        let angles: Vec<f64> = (0..positions)
            .flat_map(|t| (0..half).map(move |i| t as f64 * theta.powf(-2.0 * i as f64 / head_dim as f64)))
            .collect();
        Self {
            cos: angles.iter().map(|a| a.cos() as f32).collect(),
            sin: angles.iter().map(|a| a.sin() as f32).collect(),
            half,
        }
    }

    /// Cosines, (positions, D / 2).
    pub(crate) fn cos(&self) -> &[f32] {
        &self.cos
    }

    /// Sines, (positions, D / 2).
    pub(crate) fn sin(&self) -> &[f32] {
        &self.sin
    }

    /// How many positions it knows.
    pub fn positions(&self) -> usize {
        self.cos.len().checked_div(self.half).unwrap_or(0)
    }
}

/// What attention needs to know beside its tensors.
#[derive(Clone, Debug)]
pub struct AttentionArgs {
    /// B, T, H, K, D.
    pub shape: AttentionShape,
    /// (B, T): position t of a row attends to `starts[t]..=t`.
    pub starts: Arc<[u32]>,
    /// The angles, for at least T positions.
    pub rope: Rope,
    /// Of the two norms.
    pub eps: f32,
    /// What products are multiplied in.
    pub precision: Precision,
    /// Made on the device at the first use, for all layers of a pass.
    pub(crate) tables: Tables,
}

impl AttentionArgs {
    /// For rows whose `starts` are those of their documents, with `rope` of T positions at least.
    pub fn new(
        shape: AttentionShape,
        starts: Arc<[u32]>,
        rope: Rope,
        eps: f32,
        precision: Precision,
    ) -> Self {
        Self { shape, starts, rope, eps, precision, tables: Tables::default() }
    }

    fn scale(&self) -> f32 {
        1.0 / (self.shape.head_dim as f32).sqrt()
    }
}

/// Queries, keys and values after norm and rotation, head-major.
struct Heads {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

fn rotate(qkv: &FlexTensor, q_norm: &FlexTensor, k_norm: &FlexTensor, args: &AttentionArgs) -> Heads {
    let shape = args.shape;
    let mut heads =
        Heads { q: vec![0.0; shape.q_len()], k: vec![0.0; shape.kv_len()], v: vec![0.0; shape.kv_len()] };
    kernels::qk_norm_rope(
        shape,
        &slice(qkv),
        &slice(q_norm),
        &slice(k_norm),
        args.eps,
        &args.rope.cos,
        &args.rope.sin,
        &mut heads.q,
        &mut heads.k,
        &mut heads.v,
    );
    heads
}

fn out_dims(args: &AttentionArgs) -> [usize; 2] {
    [args.shape.batch * args.shape.tokens, args.shape.heads * args.shape.head_dim]
}

/// Returns the output and what the backward pass needs: the log-sum-exp of each query. The heads are worked out again
/// there: that costs a hundredth of the time and saves as much memory as the projections take.
pub(super) fn forward(
    qkv: &FlexTensor,
    q_norm: &FlexTensor,
    k_norm: &FlexTensor,
    args: &AttentionArgs,
) -> (FlexTensor, Vec<f32>) {
    let _span = span("attention forward");
    let shape = args.shape;
    let heads = rotate(qkv, q_norm, k_norm, args);
    let mut out = vec![0.0; shape.q_len()];
    let mut lse = vec![0.0; shape.batch * shape.heads * shape.tokens];
    kernels::attention(
        shape,
        &heads.q,
        &heads.k,
        &heads.v,
        &args.starts,
        args.scale(),
        &mut out,
        &mut lse,
        args.precision,
    );
    (tensor(out, out_dims(args)), lse)
}

#[derive(Debug)]
struct AttentionBackward;

#[derive(Clone, Debug)]
struct State {
    qkv: FlexTensor,
    q_norm: FlexTensor,
    k_norm: FlexTensor,
    out: FlexTensor,
    lse: Vec<f32>,
    args: AttentionArgs,
}

impl Backward<Flex, 3> for AttentionBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let _span = span("attention backward");
        let dout = grads.consume::<Flex>(&ops.node);
        let State { qkv, q_norm, k_norm, out, lse, args } = ops.state;
        let shape = args.shape;
        let heads = rotate(&qkv, &q_norm, &k_norm, &args);
        let mut dheads =
            Heads { q: vec![0.0; shape.q_len()], k: vec![0.0; shape.kv_len()], v: vec![0.0; shape.kv_len()] };
        kernels::attention_backward(
            shape,
            &heads.q,
            &heads.k,
            &heads.v,
            &args.starts,
            args.scale(),
            &slice(&out),
            &lse,
            &slice(&dout),
            &mut dheads.q,
            &mut dheads.k,
            &mut dheads.v,
            args.precision,
        );
        let [n, width] = dims(&qkv);
        let mut dqkv = vec![0.0; n * width];
        let (mut dq_norm, mut dk_norm) = (vec![0.0; shape.head_dim], vec![0.0; shape.head_dim]);
        kernels::qk_norm_rope_backward(
            shape,
            &slice(&qkv),
            &slice(&q_norm),
            &slice(&k_norm),
            args.eps,
            &args.rope.cos,
            &args.rope.sin,
            &dheads.q,
            &dheads.k,
            &dheads.v,
            &mut dqkv,
            &mut dq_norm,
            &mut dk_norm,
        );
        let [qkv_node, q_node, k_node] = ops.parents;
        if let Some(node) = qkv_node {
            grads.register::<Flex>(node.id, tensor(dqkv, [n, width]));
        }
        if let Some(node) = q_node {
            grads.register::<Flex>(node.id, tensor(dq_norm, [shape.head_dim]));
        }
        if let Some(node) = k_node {
            grads.register::<Flex>(node.id, tensor(dk_norm, [shape.head_dim]));
        }
    }
}

pub(super) fn tracked<C: CheckpointStrategy>(
    qkv: FloatTensor<Autodiff<Flex, C>>,
    q_norm: FloatTensor<Autodiff<Flex, C>>,
    k_norm: FloatTensor<Autodiff<Flex, C>>,
    args: AttentionArgs,
) -> FloatTensor<Autodiff<Flex, C>> {
    let ((qkv, qkv_node), (q_norm, q_node), (k_norm, k_node)) =
        (qkv.into_parts(), q_norm.into_parts(), k_norm.into_parts());
    let (out, lse) = forward(&qkv, &q_norm, &k_norm, &args);
    match AttentionBackward.prepare::<C>([qkv_node, q_node, k_node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            prep.finish(State { qkv, q_norm, k_norm, out: out.clone(), lse, args }, out)
        }
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}
