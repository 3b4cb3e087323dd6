//! Whether a server is back where it began.
//!
//! Owns the tolerances, and says in words what grew. The baseline is measured after a warm-up: what a first use costs for
//! ever (buffers, pools, pages of the allocator) is no leak.

use crate::sample::Sample;

/// Memory may be larger by a quarter, and by so many bytes: allocators keep pages, and two equal loads do not leave equal
/// holes.
const MORE_MEMORY: u64 = 24 << 20;

/// Threads that wait for blocking work come and go.
const MORE_THREADS: u64 = 4;

/// The store may keep half as much again for reuse, and so many bytes: it gives no pages back, and what was typed stays.
const MORE_STORED: u64 = 16 << 20;

/// What is not as it was; nothing, if all is.
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
            gauges: vec![("baton_documents".to_owned(), 0.0)],
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
    fn one_descriptor_one_document_one_file_too_many_are_seen() {
        let mut end = sample();
        end.descriptors += 1;
        end.files += 1;
        end.gauges[0].1 = 1.0;
        let seen = grown(&sample(), &end);
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert_eq!(seen[0], "file descriptors: 13, was 12, may be 12");
    }
}
