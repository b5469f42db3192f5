//! Between Flex tensors and the slices that kernels read and write.

use crate::is_cpu;
use burn::backend::Flex;
use burn::tensor::{DType, Shape, Tensor, TensorData};
use burn_flex::FlexTensor;
use std::borrow::Cow;

/// The numbers of a tensor, row after row; copied only where the tensor is a strided view.
pub(crate) fn slice(tensor: &FlexTensor) -> Cow<'_, [f32]> {
    match tensor.as_slice::<f32>() {
        Some(slice) => Cow::Borrowed(slice),
        None => Cow::Owned(tensor.to_contiguous().storage::<f32>().to_vec()),
    }
}

/// A tensor of `shape` that owns `data`.
pub(crate) fn tensor<const D: usize>(data: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(data, shape))
}

/// The shape of a tensor that must have `D` dimensions.
pub(crate) fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    let shape: &Shape = tensor.layout().shape();
    let dims: Vec<usize> = (0..shape.num_dims()).map(|i| shape[i]).collect();
    match dims.try_into() {
        Ok(dims) => dims,
        Err(dims) => panic!("expected a tensor of {D} dimensions, found {dims:?}"),
    }
}

/// Lets `f` read the numbers of `tensor`, tracked or not: without a copy on the CPU, fetched from other devices.
///
/// Panics if the tensor is not f32.
pub fn read<const D: usize, R>(tensor: &Tensor<D>, f: impl FnOnce(&[f32]) -> R) -> R {
    if !is_cpu(&tensor.device()) {
        return f(&fetch(tensor.clone()));
    }
    let tensor = untracked(tensor.clone());
    assert!(tensor.dtype() == DType::F32, "expected f32, found {:?}", tensor.dtype());
    f(&slice(&tensor))
}

/// The numbers of `tensor`, without a copy where it is on the CPU and nobody else holds them.
///
/// Panics if the tensor is not f32.
pub fn take<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    if !is_cpu(&tensor.device()) {
        return fetch(tensor);
    }
    numbers(untracked(tensor).into_data())
}

/// Lets `f` change the numbers of `tensor`, in place where it is on the CPU and nobody else holds them.
///
/// The result is tracked as the input was, and a leaf again. Panics if the tensor is not f32.
pub fn update<const D: usize>(tensor: Tensor<D>, f: impl FnOnce(&mut [f32])) -> Tensor<D> {
    change(tensor, |inner| {
        if !is_cpu(&inner.device()) {
            let (shape, device) = (inner.shape(), inner.device());
            let mut numbers = fetch(inner);
            f(&mut numbers);
            return Tensor::from_data(TensorData::new(numbers, shape), &device);
        }
        let mut inner = untracked(inner);
        f(inner.storage_mut::<f32>());
        Tensor::from_primitive::<Flex>(inner)
    })
}

/// `f` of the tensor without its gradients; the result is tracked as the input was, and a leaf again.
pub(crate) fn change<const D: usize>(tensor: Tensor<D>, f: impl FnOnce(Tensor<D>) -> Tensor<D>) -> Tensor<D> {
    let (tracked, require_grad) = (tensor.device().is_autodiff(), tensor.is_require_grad());
    let tensor = f(tensor.inner());
    match (tracked, require_grad) {
        (false, _) => tensor,
        (true, false) => tensor.autodiff(),
        (true, true) => tensor.autodiff().require_grad(),
    }
}

/// A tensor's numbers in a row, without gradients.
pub fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let len = tensor.shape().num_elements();
    tensor.inner().reshape([len])
}

fn fetch<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    numbers(tensor.into_data())
}

fn numbers(data: TensorData) -> Vec<f32> {
    data.try_into_vec().unwrap_or_else(|error| panic!("expected f32: {error:?}"))
}

fn untracked<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    tensor
        .inner()
        .try_into_primitive::<Flex>()
        .unwrap_or_else(|error| panic!("expected a tensor on the CPU: {error:?}"))
}
