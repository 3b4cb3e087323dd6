//! What a process costs, as the kernel counts it. Linux only; elsewhere there is nothing to read, and an error says so.

use std::fs;
use std::io;
use std::time::Duration;

/// Ticks a second of the times in `/proc/<pid>/stat`; 100 on every Linux that Rust runs on.
const TICKS: u64 = 100;

/// Processor time that it has used so far, user and system.
///
/// # Errors
/// There is no such process.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let field = |index: usize| {
        let text = rest.split_whitespace().nth(index);
        text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
    };
    Ok(Duration::from_millis(
        (field(11) + field(12)) * 1000 / TICKS,
    ))
}

/// Resident memory, in bytes.
///
/// # Errors
/// There is no such process.
pub fn resident(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    let kilobytes = kilobytes.and_then(|text| text.parse::<u64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes * 1024)
        .ok_or_else(|| io::Error::other("the process has no resident memory"))
}
