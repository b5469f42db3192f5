//! Rows of a table, by id.

use super::{full, half, ints, ones_at};
use burn::tensor::Tensor;
use shuyuan_kernels::Precision;

/// Looks up rows of `weight`.
pub fn embedding(weight: Tensor<2>, ids: &[u32]) -> Tensor<2> {
    let [v, _] = weight.dims();
    if let Some(id) = ids.iter().find(|id| **id as usize >= v) {
        panic!("embedding: id {id} of a table of {v} rows");
    }
    let device = weight.device();
    weight.select(0, ints(ids, [ids.len()], &device))
}

/// The gradient of a table of `v` rows.
///
/// Burn adds rows up one after another, a thread a column. With products in bf16, one with a table of ones takes a device
/// of many threads a tenth of the time.
pub fn embedding_backward(dy: Tensor<2>, ids: &[u32], v: usize, precision: Precision) -> Tensor<2> {
    let ([_, c], device) = (dy.dims(), dy.device());
    let ids = ints(ids, [ids.len()], &device);
    if precision == Precision::Bf16 {
        let ones = half(ones_at(ids, v), precision);
        return full(ones.transpose().matmul(half(dy, precision)));
    }
    Tensor::zeros([v, c], &device).select_assign(0, ids, dy, burn::tensor::IndexingUpdateOp::Add)
}
