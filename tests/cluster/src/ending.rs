//! The end of a program that stays until it is told to go.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

/// Returns at Ctrl-C, and when the terminal or the system ends the program.
///
/// # Errors
/// The system does not let us listen to signals.
pub(crate) async fn told_to_end() -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

/// Returns when the standard input has ended: the program that started this one is gone.
///
/// # Errors
/// The standard input cannot be read.
pub(crate) async fn input_ended() -> io::Result<()> {
    let mut input = tokio::io::stdin();
    while input.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}
