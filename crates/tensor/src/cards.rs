//! Sums over several cards, by Burn's collective operations.

use burn::tensor::distributed::{ReduceOperation, all_reduce};
use burn::tensor::{Device, Tensor};

/// Whether [`sum_over`] adds up what these devices have: several that can speak with each other, as CUDA's do where NVIDIA's
/// NCCL is found.
pub fn can_sum_over(devices: &[Device]) -> bool {
    devices.len() > 1 && devices.iter().all(speaks)
}

#[cfg(feature = "cuda")]
fn speaks(device: &Device) -> bool {
    use burn::backend::DispatchDevice;
    matches!(device.as_dispatch(), DispatchDevice::Cube(card) if card.client().has_device_transport())
}

#[cfg(not(feature = "cuda"))]
fn speaks(_: &Device) -> bool {
    false
}

/// For each tensor the sum of what all `devices` give in its place, of which this is one. Each device calls it from a thread of
/// its own, with tensors of the same lengths in the same order; [`can_sum_over`] says of which this is true.
pub fn sum_over(tensors: Vec<Tensor<1>>, devices: &[Device]) -> Vec<Tensor<1>> {
    // One by one: of several that wait, fusion could change the order, and on each card in another way.
    let sum = |x| all_reduce(x, ReduceOperation::Sum, devices.to_vec()).resolve();
    tensors.into_iter().map(sum).collect()
}

/// Waits until what this thread asked of `device` is done. Another thread may be working with it before: it would not see what
/// is still to be changed in place.
///
/// # Errors
/// What the device says.
pub fn settle(device: &Device) -> Result<(), String> {
    if crate::is_cpu(device) {
        return Ok(());
    }
    device.sync().map_err(|error| format!("{error:?}"))
}
