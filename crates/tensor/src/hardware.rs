//! What this machine has.

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
        let info = |path: &str, key: &str| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(key));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_string())
        };
        let memory = info("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kib: f64 = memory.trim_end_matches(" kB").parse().unwrap_or(0.0);
        Self {
            cpu: info("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into()),
            cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
            memory_gib: kib / (1024.0 * 1024.0),
            features: features(),
        }
    }
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
