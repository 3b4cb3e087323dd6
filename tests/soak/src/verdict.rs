//! The verdict: is the server back where it began?
//!
//! Owns the tolerances, and says in words what grew. The baseline is measured after a warm-up: what
//! a first use costs for ever (buffers, pools, pages of the allocator) is no leak.

use crate::sample::Sample;

/// Memory may be larger by a quarter, and by so many bytes: allocators keep pages, and two equal
/// loads do not leave equal holes.
const MORE_MEMORY: u64 = 24 << 20;

/// Threads that wait for blocking work end after 10 s without any. Each sample is such work, and the
/// threads take it in turns: as many as were needed at once for loads (16) may go on for ever.
const MORE_THREADS: u64 = 16;

/// The store may keep half as much again for reuse, and so many bytes: it gives no pages back, and
/// what was typed stays.
const MORE_STORED: u64 = 16 << 20;

/// Most growth of resident memory from round to round, in MiB a minute. An allocator that kept what
/// was freed rose by three.
const MOST_GROWTH: f64 = 1.0;

/// A slope is judged from so many rounds on, and over so many seconds: holes in the allocator's
/// pages make the rounds of a short run unlike.
const ROUNDS_FOR_GROWTH: usize = 8;
const SECONDS_FOR_GROWTH: f64 = 240.0;

/// Returns how fast resident memory grew over the ends of rounds, in MiB a minute: the median of
/// the slopes between any two, which a single odd sample does not move. `None` if there are too
/// few.
#[must_use]
pub fn growth(ends: &[Sample]) -> Option<f64> {
    let (first, last) = (ends.first()?, ends.last()?);
    if ends.len() < ROUNDS_FOR_GROWTH || last.seconds - first.seconds < SECONDS_FOR_GROWTH {
        return None;
    }
    let mut slopes: Vec<f64> = ends
        .iter()
        .enumerate()
        .flat_map(|(index, one)| ends[index + 1..].iter().map(move |other| slope(one, other)))
        .collect();
    slopes.sort_by(f64::total_cmp);
    slopes.get(slopes.len() / 2).copied()
}

fn slope(one: &Sample, other: &Sample) -> f64 {
    let mib = |sample: &Sample| sample.resident as f64 / f64::from(1 << 20);
    (mib(other) - mib(one)) / (other.seconds - one.seconds) * 60.0
}

/// Returns a finding if memory grows faster than it may.
#[must_use]
pub fn too_steep(growth: f64) -> Option<String> {
    let text = format!("resident memory grows by {growth:.2} MiB a minute, may be {MOST_GROWTH}");
    (growth > MOST_GROWTH).then_some(text)
}

/// Returns everything that is not as it was at the baseline.
#[must_use]
pub fn grown(baseline: &Sample, end: &Sample) -> Vec<String> {
    let mut grown = Vec::new();
    let mut check = |what: &str, before: u64, after: u64, most: u64| {
        if after > most {
            grown.push(format!("{what}: {after}, was {before}, may be {most}"));
        }
    };
    let (before, after) = (baseline, end);
    check(
        "resident memory",
        before.resident,
        after.resident,
        before.resident + before.resident / 4 + MORE_MEMORY,
    );
    check(
        "file descriptors",
        before.descriptors,
        after.descriptors,
        before.descriptors,
    );
    check(
        "threads",
        before.threads,
        after.threads,
        before.threads + MORE_THREADS,
    );
    check("files", before.files, after.files, before.files);
    check(
        "bytes on disk",
        before.bytes,
        after.bytes,
        before.bytes + before.bytes / 2 + MORE_STORED,
    );
    for (name, value) in &end.gauges {
        let was = baseline.gauges.iter().find(|(of, _)| of == name);
        let was = was.map_or(0.0, |(_, value)| *value);
        if *value > was {
            grown.push(format!("{name}: {value}, was {was}"));
        }
    }
    grown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Sample {
        Sample {
            seconds: 1.0,
            scene: "calm".to_owned(),
            resident: 40 << 20,
            descriptors: 12,
            threads: 5,
            files: 2,
            bytes: 1 << 20,
            gauges: vec![("baton_documents_open".to_owned(), 0.0)],
        }
    }

    #[test]
    fn what_is_as_it_was_has_not_grown() {
        let mut end = sample();
        end.resident += 20 << 20;
        end.threads += 2;
        assert_eq!(grown(&sample(), &end), Vec::<String>::new());
    }

    #[test]
    fn one_descriptor_one_document_one_file_and_a_leak_of_threads_are_seen() {
        let mut end = sample();
        end.descriptors += 1;
        end.threads += MORE_THREADS + 1;
        end.files += 1;
        end.gauges[0].1 = 1.0;
        let seen = grown(&sample(), &end);
        assert_eq!(seen.len(), 4, "{seen:?}");
        assert_eq!(seen[0], "file descriptors: 13, was 12, may be 12");
    }

    /// Samples twenty seconds apart, each so many bytes larger than the one before.
    fn ends(rounds: u64, more: u64) -> Vec<Sample> {
        let end = |round: u64| Sample {
            seconds: round as f64 * 20.0,
            resident: (60 << 20) + round * more,
            ..sample()
        };
        (0..rounds).map(end).collect()
    }

    #[test]
    fn three_mebibytes_a_minute_are_a_finding_and_noise_is_none() {
        let rising = growth(&ends(20, 1 << 20)).unwrap();
        assert!((rising - 3.0).abs() < 0.01, "{rising}");
        assert!(too_steep(rising).is_some());
        let mut noisy = ends(20, 0);
        for (round, end) in noisy.iter_mut().enumerate() {
            end.resident += (round as u64 * 7 % 5) << 20;
        }
        noisy[19].resident += 30 << 20;
        let flat = growth(&noisy).unwrap();
        assert_eq!(too_steep(flat), None, "{flat}");
        assert_eq!(growth(&ends(5, 1 << 20)), None, "too short a run");
    }
}
