//! What this machine has.

use crate::memory::all_memory;
use crate::{has_bf16, is_cpu};
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use rayon::prelude::*;
use shuyuan_kernels::{Mat, MatMut, Precision, matmul};
use std::time::Instant;

/// The processor and memory of this machine.
#[derive(Clone, Debug)]
pub struct Hardware {
    /// The processor's name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// Instruction sets that the kernels make use of.
    pub features: Vec<&'static str>,
    /// NVIDIA GPUs, by name.
    pub gpus: Vec<String>,
}

impl Hardware {
    /// Looks at the machine.
    pub fn detect() -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = cpuinfo.lines().find(|line| line.starts_with("model name"));
        let name = name.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim().to_string());
        Self {
            cpu: name.unwrap_or_else(|| std::env::consts::ARCH.into()),
            cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
            memory_gib: all_memory().unwrap_or(0) as f64 / f64::from(1 << 30),
            features: features(),
            gpus: gpus(),
        }
    }
}

/// GB/s at which all threads read memory, the best of some: what decoding can reach at most is this by a model's bytes.
pub fn read_bandwidth() -> f64 {
    // Past the last-level cache of a server.
    const BYTES: usize = 512 << 20;
    let numbers = vec![1u64; BYTES / 8];
    let seconds = (0..4).map(|_| {
        let started = Instant::now();
        let sum = numbers.par_chunks(1 << 17).map(sum).reduce(|| 0, u64::wrapping_add);
        std::hint::black_box(sum);
        started.elapsed().as_secs_f64()
    });
    BYTES as f64 / seconds.fold(f64::INFINITY, f64::min) / 1e9
}

/// Several sums at once, so that the memory is waited for and not the additions.
fn sum(numbers: &[u64]) -> u64 {
    let mut sums = [0u64; 64];
    for part in numbers.chunks_exact(64) {
        for (sum, number) in sums.iter_mut().zip(part) {
            *sum = sum.wrapping_add(*number);
        }
    }
    sums.iter().fold(0, |all, sum| all.wrapping_add(*sum))
}

/// Names of NVIDIA GPUs that the system shows.
fn gpus() -> Vec<String> {
    let cards = std::fs::read_dir("/proc/driver/nvidia/gpus").into_iter().flatten().flatten();
    let model =
        |text: String| Some(text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_string());
    cards.filter_map(|card| model(std::fs::read_to_string(card.path().join("information")).ok()?)).collect()
}

/// GFLOP/s of one large product on `device`, of bf16 numbers where it has them, the best of some: what training can reach
/// at most.
pub fn matmul_peak(device: &Device) -> f64 {
    if is_cpu(device) { cpu_peak() } else { device_peak(device) }
}

fn device_peak(device: &Device) -> f64 {
    const SIDE: usize = 4096;
    let device = device.clone().inner();
    let bf16 = has_bf16(&device);
    let side = if bf16 { SIDE } else { SIDE / 4 };
    // So small that products of products stay what they are.
    let by = 1.0 / (125.0 * (side as f32 / 3.0).sqrt());
    let numbers: Vec<f32> = (0..side * side).map(|i| ((i * i) % 251) as f32 * by - 125.0 * by).collect();
    let a = Tensor::<2>::from_data(TensorData::new(numbers, [side, side]), &device);
    let a = if bf16 { a.cast(FloatDType::BF16) } else { a };
    // A device works beside this thread: what is awaited is one number of the last product, which needs all others.
    let products = |count: usize| {
        let started = Instant::now();
        let last = (0..count).fold(a.clone(), |product, _| product.matmul(a.clone()));
        std::hint::black_box(last.slice([0..1, 0..1]).cast(FloatDType::F32).into_data());
        started.elapsed().as_secs_f64()
    };
    let flop = 2.0 * (side * side * side) as f64;
    products(2);
    let one = products(1);
    // A device that takes so long for one needs no second look.
    if one > 0.1 {
        return flop / one / 1e9;
    }
    let seconds = (0..4).map(|_| products(11) - products(1)).fold(f64::INFINITY, f64::min);
    10.0 * flop / seconds.max(1e-9) / 1e9
}

fn cpu_peak() -> f64 {
    const SIDE: usize = 1024;
    let numbers: Vec<f32> = (0..SIDE * SIDE).map(|i| (i % 251) as f32 / 125.0 - 1.0).collect();
    let mut out = vec![0.0; SIDE * SIDE];
    let a = Mat::new(&numbers, SIDE, SIDE);
    let seconds = (0..12).map(|_| {
        let started = Instant::now();
        matmul(a, a.t(), MatMut::new(&mut out, SIDE, SIDE), false, Precision::Bf16);
        started.elapsed().as_secs_f64()
    });
    2.0 * (SIDE * SIDE * SIDE) as f64 / seconds.fold(f64::INFINITY, f64::min) / 1e9
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let mut found = Vec::new();
    if is_x86_feature_detected!("avx2") {
        found.push("avx2");
    }
    if is_x86_feature_detected!("avx512f") {
        found.push("avx512");
    }
    if is_x86_feature_detected!("avx512bf16") {
        found.push("avx512bf16");
    }
    found
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    if cfg!(target_arch = "aarch64") { vec!["neon"] } else { Vec::new() }
}
