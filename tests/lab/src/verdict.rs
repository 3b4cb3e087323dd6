//! A verdict: what a run shows, in numbers and in words.
//!
//! Owns the types and the words for what is wrong. Judges nothing: that is `oracle` and `history`.

use std::fmt;

use serde::Serialize;

use crate::history::LockVerdict;

/// What a run shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The name of the scenario.
    pub scenario: String,
    /// The seed, to run it again.
    pub seed: u64,
    /// The arguments of `baton-lab run` with which the same is played again.
    pub again: String,
    /// Whether the server spoke Baton's channel. If not, there is no lock and no acknowledgement, and only what documents
    /// hold is judged.
    pub locks: bool,
    /// What keeps this from being a judgement of the whole: the lab itself was too slow, and missed something.
    pub unjudged: Vec<String>,
    /// Document by document.
    pub documents: Vec<DocumentVerdict>,
}

/// What it shows of one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentVerdict {
    /// Its name.
    pub name: String,
    /// Whether all copies, a newcomer's and the stored one are equal.
    pub converged: bool,
    /// Which are not, and where.
    pub differences: Vec<String>,
    /// Elements put in.
    pub inserted: usize,
    /// Edits acknowledged as durable, of all kinds.
    pub acknowledged: usize,
    /// Elements taken out again.
    pub deleted: usize,
    /// Elements in the document.
    pub present: usize,
    /// Elements that were parked: they are in a park, or, where the lab cannot look, their author was told so.
    pub parked: usize,
    /// Elements that stand in a park that was discarded, and can be recovered.
    pub discarded: usize,
    /// Parks that somebody merged. Their elements are counted where they are now; those that came in by themselves, with
    /// their author's next lock, are not counted here.
    pub merged: usize,
    /// Elements that are nowhere but in a copy whose owner was told that it had diverged, and were never acknowledged.
    pub drafts: usize,
    /// Elements that were never acknowledged, and gone with the power: all copies that had them ended.
    pub unsaved: usize,
    /// Elements that are nowhere, with what was known of them.
    pub lost: Vec<String>,
    /// Elements that are somewhere twice.
    pub duplicated: Vec<String>,
    /// Elements whose deletion was acknowledged, and which are there.
    pub undeleted: Vec<String>,
    /// Elements that nobody put in, or torn ones.
    pub foreign: Vec<String>,
    /// Edits that were taken in while somebody else certainly held the lock.
    pub unfenced: Vec<String>,
    /// The lock's history.
    pub lock: LockVerdict,
}

/// A verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything was looked at, and nothing is wrong.
    Sound,
    /// Something is wrong.
    Finding,
    /// Nothing wrong was found, and not everything could be looked at: see [`Verdict::unjudged`].
    Unjudged,
}

impl Verdict {
    /// The verdict in a word.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.problems().next().is_some() {
            Outcome::Finding
        } else if self.unjudged.is_empty() {
            Outcome::Sound
        } else {
            Outcome::Unjudged
        }
    }

    /// Whether everything was looked at, and nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.outcome() == Outcome::Sound
    }

    /// Everything that is wrong, a line each, the document first.
    pub fn problems(&self) -> impl Iterator<Item = String> {
        self.documents.iter().flat_map(|document| {
            let name = &document.name;
            document
                .problems()
                .into_iter()
                .map(move |problem| format!("{name}: {problem}"))
        })
    }

    /// For tests.
    ///
    /// # Panics
    /// When something is wrong, or could not be judged: with all of it, the seed, and how to play it again.
    #[track_caller]
    pub fn assert_good(&self) {
        let problems: Vec<String> = self.problems().chain(self.unjudged.clone()).collect();
        assert!(problems.is_empty(), "{self}");
    }
}

/// The verdict in words: one line if all is sound, else all that is not, and how to play it again.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scenario, seed) = (&self.scenario, self.seed);
        let problems: Vec<String> = self.problems().chain(self.unjudged.clone()).collect();
        if problems.is_empty() {
            return write!(f, "{scenario}, seed {seed}: sound");
        }
        writeln!(f, "{scenario}, seed {seed}: {} problems", problems.len())?;
        for problem in problems {
            writeln!(f, "{problem}")?;
        }
        write!(f, "again with: baton-lab run {}", self.again)
    }
}

impl DocumentVerdict {
    /// Whether nothing is wrong with this document.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.problems().is_empty()
    }

    /// Everything that is wrong with it, a line each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let named = |word: &str, list: &[String]| -> Vec<String> {
            list.iter().map(|one| format!("{word}: {one}")).collect()
        };
        [
            named("not converged", &self.differences),
            named("lost", &self.lost),
            named("duplicated", &self.duplicated),
            named("undeleted", &self.undeleted),
            named("foreign", &self.foreign),
            named("fence not checked", &self.unfenced),
            named("lock", &self.lock.violations),
        ]
        .concat()
    }
}
