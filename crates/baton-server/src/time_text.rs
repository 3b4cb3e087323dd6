//! Durations and moments as text: `1m 30s`, `2026-11-30T12:00:00Z`.
//!
//! Owns the units and the calendar. Reads no clock.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECOND: u128 = 1_000_000_000;
const DAY: u128 = 86_400 * SECOND;

/// A unit: its length in nanoseconds, the name that is written, and the other names that are read.
struct Unit(u128, &'static str, &'static [&'static str]);

/// All units, longest first. A year has 365.25 days, and a month is a twelfth of that.
const UNITS: [Unit; 10] = [
    Unit(31_557_600 * SECOND, "year", &["years", "y"]),
    Unit(2_630_016 * SECOND, "month", &["months", "M"]),
    Unit(7 * DAY, "week", &["weeks", "w"]),
    Unit(DAY, "day", &["days", "d"]),
    Unit(3_600 * SECOND, "h", &["hours", "hour", "hr", "hrs"]),
    Unit(60 * SECOND, "m", &["minutes", "minute", "min", "mins"]),
    Unit(SECOND, "s", &["seconds", "second", "secs", "sec"]),
    Unit(1_000_000, "ms", &["millis", "msec"]),
    Unit(1_000, "us", &["usec", "\u{b5}s"]),
    Unit(1, "ns", &["nanos", "nsec"]),
];

/// The text is no duration. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration; write a number with its unit, like 500ms, 5s or 1m 30s")]
pub struct InvalidSpan(String);

/// Returns a duration, exact, with the longest units that fit.
pub(crate) fn duration_text(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for Unit(length, name, _) in UNITS.iter().filter(|unit| unit.1 != "week") {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            let space = if text.is_empty() { "" } else { " " };
            let plural = if name.len() > 2 && count > 1 { "s" } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(text, "{space}{count}{name}{plural}");
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

/// Reads a duration: whole numbers with their units, which add up.
///
/// # Errors
/// The text has something else, or is longer than 2^64 nanoseconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, InvalidSpan> {
    read_duration(text).ok_or_else(|| InvalidSpan(text.to_owned()))
}

fn read_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = (!rest.is_empty()).then_some(0_u128)?;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic());
        let (name, after) = after.split_at(letters.unwrap_or(after.len()));
        let mut units = UNITS.iter();
        let unit = units.find(|unit| unit.1 == name || unit.2.contains(&name))?;
        let span = number.parse::<u64>().ok().map(u128::from)?;
        total = total.checked_add(span.checked_mul(unit.0)?)?;
        rest = after.trim_start();
    }
    u64::try_from(total).ok().map(Duration::from_nanos)
}

/// Returns a moment in UTC to the second, as RFC 3339 has it. A moment before 1970 is its begin.
pub(crate) fn moment_text(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Returns year, month and day of a number of days since 1970, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    // 400 years have 146,097 days, so that this loop ends soon for any moment.
    let (mut year, mut rest) = (1970 + 400 * (days / 146_097), days % 146_097);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if rest < length {
            break;
        }
        rest -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_as_it_is_written() {
        for (text, nanos) in [
            ("0s", 0),
            ("500ms", 500_000_000),
            ("1m 30s", 90_000_000_000),
            ("2h", 7_200_000_000_000),
            ("1day 1ns", 86_400_000_000_001),
            ("13days", 1_123_200_000_000_000),
            ("1month 2days", 2_802_816_000_000_000),
        ] {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(parse_duration(text), Ok(duration), "{text}");
            assert_eq!(duration_text(duration), text);
        }
        for (text, seconds) in [
            ("1min30sec", 90),
            ("2 weeks", 1_209_600),
            ("1y", 31_557_600),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn a_text_without_a_unit_or_with_more_is_refused_and_named() {
        for text in [
            "",
            "5",
            "s",
            "1.5s",
            "-1s",
            "5 apples",
            "1s,",
            "99999999999999999999s",
            "600y",
        ] {
            let error = parse_duration(text).unwrap_err().to_string();
            assert!(error.contains("is not a duration"), "{text}: {error}");
        }
    }

    #[test]
    fn a_moment_has_the_date_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let at = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(moment_text(at), text);
        }
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(moment_text(before), "1970-01-01T00:00:00Z");
    }
}
