//! What the machine has left of memory, as Linux tells it.

/// Bytes that this process can still take: what is free, within its container's and its own limit. None where the system
/// does not say.
pub fn available_bytes() -> Option<u64> {
    let free = field("/proc/meminfo", "MemAvailable:").map(|kib| kib * 1024);
    let address_space = field("/proc/self/limits", "Max address space").zip(field("/proc/self/status", "VmSize:"));
    let own = address_space.map(|(limit, kib)| limit.saturating_sub(kib * 1024));
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    // What a container has used counts cached files, which the kernel gives back when they are in the way.
    let cached = |label: &str| field("/sys/fs/cgroup/memory.stat", label).unwrap_or(0);
    let container = number("/sys/fs/cgroup/memory.max").zip(number("/sys/fs/cgroup/memory.current"));
    let container = container.map(|(limit, used)| {
        limit.saturating_sub(used.saturating_sub(cached("inactive_file ") + cached("active_file ")))
    });
    [free, own, container].into_iter().flatten().min()
}

/// The first number behind `label` in one of Linux's text files; None also for "unlimited".
fn field(path: &str, label: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
    rest.split_whitespace().next()?.parse().ok()
}
