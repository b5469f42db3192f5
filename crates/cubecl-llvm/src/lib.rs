//! What CubeCL's CUDA and ROCm runtimes name of its LLVM backend, without LLVM.
//!
//! Both runtimes compile kernels in one of two ways: as C++ for NVRTC and HIP RTC, or by LLVM. They link both, and the
//! crate of the second downloads a build of LLVM from GitHub while it is built, which fails where only a package
//! registry can be reached and adds hundreds of megabytes elsewhere. This program takes the C++ way alone (features
//! `cuda-cpp` and `hip-cpp`), which also knows more of a card's instructions; so this crate takes the other's place.
//! It compiles nothing and says so if ever asked.

use cubecl_core::Compiler;
use cubecl_core::ir::amd::GfxArch;
use cubecl_core::prelude::KernelDefinition;
use cubecl_environment::backtrace::BackTrace;
use cubecl_runtime::compiler::CompilationError;
use cubecl_runtime::kernel::BufferIOAttr;

#[cfg(feature = "amdgpu")]
use cubecl_environment::bytes::Bytes;

/// The compiler that is not here.
#[derive(Clone, Debug, Default)]
pub struct PlironCompiler {
    pub target: LlvmTarget,
}

/// What it would be asked to compile for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LlvmTarget {
    #[default]
    Cpu,
    #[cfg(feature = "amdgpu")]
    AmdGpu,
    #[cfg(feature = "nvptx")]
    Nvptx,
}

/// What it would be told.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    pub arch: Option<GfxArch>,
    #[cfg(feature = "nvptx")]
    pub sm_arch: Option<cubecl_core::ir::nvidia::SmArch>,
    #[cfg(feature = "nvptx")]
    pub ptx_version: Option<nvptx::ptx_version::PtxVersion>,
    pub grid_constants: bool,
}

/// What it would give.
#[derive(Clone)]
pub enum PlironArtifact {
    #[cfg(feature = "amdgpu")]
    AmdGpuCode(AmdGpuModule),
    #[cfg(feature = "nvptx")]
    NvptxCode(NvptxModule),
    /// Nothing.
    None,
}

impl core::fmt::Display for PlironArtifact {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("nothing: built without LLVM")
    }
}

/// What it would give for AMD's cards.
#[cfg(feature = "amdgpu")]
#[derive(Clone, Debug)]
pub struct AmdGpuModule {
    pub code_object: Bytes,
    pub entrypoint: String,
    pub ir: String,
    pub asm: Option<String>,
    pub shared_memory_size: usize,
    pub io: Vec<BufferIOAttr>,
}

/// What it would give for NVIDIA's cards.
#[cfg(feature = "nvptx")]
#[derive(Clone, Debug)]
pub struct NvptxModule {
    pub ptx: Vec<core::ffi::c_char>,
    pub entrypoint: String,
    pub ir: String,
    pub shared_memory_size: usize,
    pub io: Vec<BufferIOAttr>,
}

impl Compiler for PlironCompiler {
    type Representation = PlironArtifact;
    type CompilationOptions = PlironOptions;

    fn compile(
        &mut self,
        _: KernelDefinition,
        _: &PlironOptions,
    ) -> Result<PlironArtifact, CompilationError> {
        Err(CompilationError::Generic {
            reason: "this program is built without CubeCL's LLVM backend; kernels are compiled as C++ (features cuda-cpp \
                     and hip-cpp of cubecl)"
                .into(),
            backtrace: BackTrace::capture(),
        })
    }

    fn extension(&self) -> &'static str {
        "ll"
    }

    fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}

#[cfg(feature = "nvptx")]
pub mod nvptx {
    pub mod ptx_version {
        /// The version of PTX that LLVM would be told to write.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct PtxVersion(u32);

        impl PtxVersion {
            /// None: nothing here writes PTX.
            pub fn for_driver(_: i32) -> Option<Self> {
                None
            }
        }

        impl core::fmt::Display for PtxVersion {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "ptx{}", self.0)
            }
        }
    }
}

pub mod shared {
    pub mod lowered_features {
        use cubecl_core::ir::DeviceProperties;

        /// The cards whose features LLVM's way would narrow.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum GpuTarget {
            #[cfg(feature = "nvptx")]
            Nvptx,
            #[cfg(feature = "amdgpu")]
            AmdGpu { wmma: Option<cubecl_core::ir::amd::AmdWmma> },
        }

        /// Narrows nothing: the C++ way is not the one that is asked.
        pub fn restrict_features(_: &mut DeviceProperties, _: GpuTarget) {}
    }
}
