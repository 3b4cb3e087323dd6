//! What a process costs, as the kernel counts it. Linux only; elsewhere there is nothing to read, and an error says so.

use std::fs;
use std::io;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

/// Processor time that it has used so far, user and system, with its threads that have ended.
///
/// Its clock is asked, not `/proc/<pid>/stat`: that counts in steps of 10 ms, and a whole measurement is some 300 ms.
///
/// # Errors
/// There is no such process.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let pid = Pid::from_raw(i32::try_from(pid).map_err(io::Error::other)?);
    let clock = clock_getcpuclockid(pid)?;
    Ok(Duration::from(clock_gettime(clock)?))
}

/// The processor time of several together.
///
/// # Errors
/// One of them is not there.
pub fn processor_times(pids: &[u32]) -> io::Result<Duration> {
    pids.iter().map(|pid| processor_time(*pid)).sum()
}

/// Resident memory, in bytes.
///
/// # Errors
/// There is no such process.
pub fn resident(pid: u32) -> io::Result<u64> {
    status(pid, "VmRSS:")
}

/// The most resident memory since [`forget_peak`], or since its start, in bytes.
///
/// # Errors
/// There is no such process.
pub fn peak(pid: u32) -> io::Result<u64> {
    status(pid, "VmHWM:")
}

/// From now on [`peak`] counts anew.
///
/// # Errors
/// There is no such process, or it is another user's.
pub fn forget_peak(pid: u32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

fn status(pid: u32, key: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    let kilobytes = kilobytes.and_then(|text| text.parse::<u64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes * 1024)
        .ok_or_else(|| io::Error::other("the process has no resident memory"))
}

/// Waits until it has been idle (under a twentieth of a processor) for half a second, at most `most`; so that what one
/// load left to do is not counted as the next one's.
///
/// # Errors
/// There is no such process.
pub async fn idle(pid: u32, most: Duration) -> io::Result<()> {
    const LOOK: Duration = Duration::from_millis(100);
    let end = Instant::now() + most;
    let (mut before, mut quiet) = (processor_time(pid)?, 0);
    while quiet < 5 && Instant::now() < end {
        sleep(LOOK).await;
        let now = processor_time(pid)?;
        quiet = if now.saturating_sub(before) * 20 < LOOK {
            quiet + 1
        } else {
            0
        };
        before = now;
    }
    Ok(())
}

/// Resident memory once it has not fallen for a second, or after `most`: what is given back late is given back.
///
/// # Errors
/// There is no such process.
pub async fn settled(pid: u32, most: Duration) -> io::Result<u64> {
    let end = Instant::now() + most;
    let (mut least, mut since) = (resident(pid)?, Instant::now());
    while Instant::now() < end {
        sleep(Duration::from_millis(100)).await;
        let now = resident(pid)?;
        // A thirty-second of a percent is noise.
        if now + now / 3200 < least {
            (least, since) = (now, Instant::now());
        } else if since.elapsed() > Duration::from_secs(1) && Instant::now() + most / 2 > end {
            break;
        }
    }
    resident(pid)
}

/// Allows this process, and those that it starts, as many open files as it may have.
///
/// # Errors
/// The system refuses.
pub fn many_files() -> io::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}
