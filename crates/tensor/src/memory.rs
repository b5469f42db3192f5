//! How much memory there is and is used, where the system (Linux) tells.

/// Bytes that programs can still have.
pub fn free_memory() -> Option<u64> {
    bytes("/proc/meminfo", "MemAvailable:")
}

/// Bytes that this process holds.
pub fn held_memory() -> Option<u64> {
    bytes("/proc/self/status", "VmRSS:")
}

/// The most bytes that this process ever held.
pub fn peak_memory() -> Option<u64> {
    bytes("/proc/self/status", "VmHWM:")
}

/// Bytes of the whole machine.
pub(crate) fn all_memory() -> Option<u64> {
    bytes("/proc/meminfo", "MemTotal:")
}

/// Lines are as `VmRSS:     1234 kB`.
fn bytes(file: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
