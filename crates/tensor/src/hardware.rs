//! What this machine has.

use crate::memory::all_memory;
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
        }
    }
}

/// GFLOP/s of one large product of bf16 numbers on all threads, the best of some: what training can reach at most.
pub fn matmul_peak() -> f64 {
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
