//! Kernels of our own for NVIDIA's cards, in CUDA C++: NVRTC compiles them at their first use.

#![expect(
    clippy::too_many_arguments,
    reason = "what the formula takes; on the method, the macro would copy it to where nothing is expected"
)]

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::{DType, Device, Int, Shape, Tensor};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeBackend, CubeDevice};
use cubecl::ir::{ElemType, UIntKind, metadata::Info, settings::Dim3};
use cubecl::prelude::*;
use cubecl::server::KernelArguments;
use cubecl::{CubeKernel, PrecompiledSource};
use shuyuan_kernels::AttentionShape;

/// Rows of queries, or of keys, that one block of threads works on.
const TILE: usize = 64;
/// The threads of a block.
const THREADS: u32 = 128;

/// What the graph of operations sees of the kernels.
#[backend_extension(Cube, Fusion)]
pub(crate) trait CudaOps: Backend {
    /// What queries find, and for each the logarithm of the sum of its exponentials.
    #[fusion(meta = |q, _k, _v, _starts, _shape| (q.clone(), sums(&q.shape)))]
    fn attention_forward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        starts: IntTensor<Self>,
        shape: AttentionShape,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The gradients of queries, keys and values.
    #[fusion(meta = |q, k, v, _starts, _dout, _lse, _delta, _shape| (q.clone(), k.clone(), v.clone()))]
    fn attention_backward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        starts: IntTensor<Self>,
        dout: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        delta: FloatTensor<Self>,
        shape: AttentionShape,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// One number in f32 for each query.
fn sums(queries: &Shape) -> burn::backend::fusion::custom::TensorSpec {
    let shape = Shape::from([queries[0], queries[1], queries[2]]);
    burn::backend::fusion::custom::TensorSpec::new(shape, DType::F32)
}

/// Whether the kernels take this: tensors on such a card, in bf16, of heads that fit.
pub(crate) fn attends(device: &Device, shape: AttentionShape, dtype: DType) -> bool {
    let on_card = matches!(device.as_dispatch(), DispatchDevice::Cube(CubeDevice::Cuda(_)));
    on_card && dtype == DType::BF16 && matches!(shape.head_dim, 32 | 64 | 128)
}

/// Causal attention within documents: q (B, T, H, D), divided by √D, k and v (B, T, K, D), all bf16, and `starts` (B, T) in
/// i32. Returns what queries find, as q, and the logarithms of their sums (B, T, H).
pub(crate) fn attention(
    [q, k, v]: [Tensor<4>; 3],
    starts: Tensor<2, Int>,
    shape: AttentionShape,
) -> (Tensor<4>, Tensor<3>) {
    let (out, lse) = <Dispatch as CudaOps>::attention_forward(
        q.into_dispatch(),
        k.into_dispatch(),
        v.into_dispatch(),
        starts.into_dispatch(),
        shape,
    );
    (Tensor::from_dispatch(out), Tensor::from_dispatch(lse))
}

/// Of [`attention`], given the gradient of what queries find, their `lse`, and `delta` (B, T, H): the sums of that gradient
/// times what they found. Gradients are in bf16.
pub(crate) fn attention_backward(
    [q, k, v]: [Tensor<4>; 3],
    starts: Tensor<2, Int>,
    dout: Tensor<4>,
    lse: Tensor<3>,
    delta: Tensor<3>,
    shape: AttentionShape,
) -> [Tensor<4>; 3] {
    let (dq, dk, dv) = <Dispatch as CudaOps>::attention_backward(
        q.into_dispatch(),
        k.into_dispatch(),
        v.into_dispatch(),
        starts.into_dispatch(),
        dout.into_dispatch(),
        lse.into_dispatch(),
        delta.into_dispatch(),
        shape,
    );
    [dq, dk, dv].map(Tensor::from_dispatch)
}

impl CudaOps for CubeBackend {
    fn attention_forward(
        q: CubeTensor,
        k: CubeTensor,
        v: CubeTensor,
        starts: CubeTensor,
        shape: AttentionShape,
    ) -> (CubeTensor, CubeTensor) {
        let AttentionShape { batch: b, tokens: t, heads: h, head_dim: d, .. } = shape;
        let out = fresh(&q, [b, t, h, d], DType::BF16);
        let lse = fresh(&q, [b, t, h], DType::F32);
        let tensors = [q, k, v, starts].map(into_contiguous);
        launch("attention_forward", shape, h, tensors.iter().chain([&out, &lse]));
        (out, lse)
    }

    fn attention_backward(
        q: CubeTensor,
        k: CubeTensor,
        v: CubeTensor,
        starts: CubeTensor,
        dout: CubeTensor,
        lse: CubeTensor,
        delta: CubeTensor,
        shape: AttentionShape,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let AttentionShape { batch: b, tokens: t, heads: h, kv_heads, head_dim: d } = shape;
        let dq = fresh(&q, [b, t, h, d], DType::BF16);
        let [dk, dv] = [(); 2].map(|()| fresh(&q, [b, t, kv_heads, d], DType::BF16));
        let tensors = [q, k, v, starts, dout, lse, delta].map(into_contiguous);
        launch("attention_dq", shape, h, tensors.iter().chain([&dq]));
        launch("attention_dkv", shape, kv_heads, tensors.iter().chain([&dk, &dv]));
        (dq, dk, dv)
    }
}

fn fresh<const D: usize>(like: &CubeTensor, shape: [usize; D], dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), Shape::from(shape), dtype)
}

/// A block of threads for each tile, each of `heads`, each row of the batch.
fn launch<'a>(
    entry: &'static str,
    shape: AttentionShape,
    heads: usize,
    tensors: impl Iterator<Item = &'a CubeTensor>,
) {
    let mut tensors = tensors.peekable();
    let Some(client) = tensors.peek().map(|tensor| tensor.client.clone()) else { return };
    let count = CubeCount::Static(shape.tokens.div_ceil(TILE) as u32, heads as u32, shape.batch as u32);
    let arguments =
        tensors.fold(KernelArguments::new(), |all, tensor| all.with_buffer(tensor.handle.clone().binding()));
    client.launch(Box::new(Kernel { entry, shape }), count, arguments);
}

/// One of the kernels of attention.cu, for heads of one shape.
struct Kernel {
    entry: &'static str,
    shape: AttentionShape,
}

impl KernelMetadata for Kernel {
    fn id(&self) -> KernelId {
        let AttentionShape { tokens, heads, kv_heads, head_dim, .. } = self.shape;
        KernelId::new::<Self>().info((self.entry, tokens, heads, kv_heads, head_dim))
    }

    fn address_type(&self) -> ElemType {
        UIntKind::U32.into()
    }
}

impl CubeKernel for Kernel {
    fn define(&self) -> KernelDefinition {
        let dim = Dim3 { x: THREADS, y: 1, z: 1 };
        let settings = KernelSettings::new(dim, ExecutionMode::Checked, AddressType::U32);
        KernelDefinition { body: Scope::root(settings.clone()), settings, info: Info::default() }
    }

    fn source(&self) -> Option<PrecompiledSource> {
        let AttentionShape { tokens, heads, kv_heads, head_dim, .. } = self.shape;
        let sizes = [("T", tokens), ("HEADS", heads), ("KV_HEADS", kv_heads), ("D", head_dim)];
        let mut source: String =
            sizes.iter().map(|(name, size)| format!("#define {name} {size}\n")).collect();
        source.push_str(include_str!("attention.cu"));
        Some(PrecompiledSource { source, entrypoint_name: self.entry.into(), lang: "cuda" })
    }
}
