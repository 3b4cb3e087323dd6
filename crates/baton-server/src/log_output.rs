//! The program's log: what is written of what happens, and where.
//!
//! Owns the promise that no level shows what people write, or a secret of theirs: Baton's own code
//! logs ids and names only, and libraries, some of which write whole frames at their lowest levels,
//! are not heard below `info` whatever `BATON_LOG` says.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Sends the log to standard error, as much of it as `BATON_LOG` says.
pub(crate) fn start() {
    let wanted = EnvFilter::try_from_env("BATON_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // Told on standard error, and by a panic where that is closed.
        .log_internal_errors(false)
        .with_filter(harmless(wanted));
    tracing_subscriber::registry().with(lines).init();
}

/// Returns the filter of what is wanted and cannot show content.
///
/// It must say which levels it never lets through. Without that, each `trace!` of a library, such
/// as those for each WebSocket frame, goes through the whole filter (7 % of the processor time of a
/// busy server).
fn harmless<S>(wanted: EnvFilter) -> impl Filter<S> {
    let lowest = wanted.max_level_hint().unwrap_or(LevelFilter::TRACE);
    wanted.and(filter_fn(is_harmless).with_max_level_hint(lowest))
}

/// Returns true for what cannot show content, tokens or keys.
fn is_harmless(metadata: &Metadata<'_>) -> bool {
    let own = metadata.target().split("::").next();
    // Levels compare by how much they say.
    *metadata.level() <= Level::INFO || own.is_some_and(|own| own.starts_with("baton"))
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::Registry;

    use super::*;

    #[test]
    fn levels_that_are_not_wanted_cost_nothing() {
        for (wanted, lowest) in [
            ("info", LevelFilter::INFO),
            ("warn,baton_server=debug", LevelFilter::DEBUG),
            ("off", LevelFilter::OFF),
        ] {
            let filter = harmless::<Registry>(EnvFilter::new(wanted));
            assert_eq!(Filter::max_level_hint(&filter), Some(lowest), "{wanted}");
        }
    }
}
