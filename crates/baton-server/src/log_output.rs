//! Sets up the program's log.
//!
//! Owns the promise that no log level shows the content of documents or a secret. Baton's own code
//! logs only ids and names. Some libraries log whole frames at their lowest levels, so libraries
//! log nothing below `info`, whatever `BATON_LOG` says.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Sends the log to standard error, at the levels that `BATON_LOG` sets.
pub(crate) fn start() {
    let wanted = EnvFilter::try_from_env("BATON_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // The subscriber would report them on standard error, and panic if that is closed.
        .log_internal_errors(false)
        .with_filter(harmless(wanted));
    tracing_subscriber::registry().with(lines).init();
}

/// Returns the filter for events that are wanted and cannot show content.
///
/// It must state the levels that it never lets through. Otherwise each `trace!` of a library, such
/// as those for each WebSocket frame, goes through the whole filter (7 % of the processor time of a
/// busy server).
fn harmless<S>(wanted: EnvFilter) -> impl Filter<S> {
    let lowest = wanted.max_level_hint().unwrap_or(LevelFilter::TRACE);
    wanted.and(filter_fn(is_harmless).with_max_level_hint(lowest))
}

/// Returns true for log events that cannot show content, tokens or keys.
fn is_harmless(metadata: &Metadata<'_>) -> bool {
    let own = metadata.target().split("::").next();
    // A more verbose level is greater.
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
