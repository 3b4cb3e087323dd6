//! What the program prints: a line that moves while a run goes on, and a verdict for people or for machines.
//!
//! Owns every word on standard output and the progress on standard error. Judges nothing.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use baton_lab::{DocumentVerdict, Left, LockVerdict, Outcome, Progress, Scenario, Verdict};
use serde::Serialize;

/// Between two lines of progress where there is no terminal.
const RARELY: Duration = Duration::from_secs(10);

/// Cells of the bar.
const BAR: usize = 24;

/// Problems that are printed of one document; the report and the JSON have all.
const PROBLEMS: usize = 12;

/// Whether colours are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Colour,
}

impl Style {
    pub(crate) fn of_output() -> Self {
        Self::of(std::io::stdout().is_terminal())
    }

    fn of(terminal: bool) -> Self {
        if terminal && std::env::var_os("NO_COLOR").is_none() {
            Self::Colour
        } else {
            Self::Plain
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }

    fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }
}

/// Where progress is shown: one line that is written over on a terminal, and a line every ten seconds elsewhere.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: bool,
    style: Style,
    lasts: Duration,
    told: Duration,
}

impl Screen {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let terminal = std::io::stderr().is_terminal();
        eprintln!(
            "seed {}: {} clients, {} documents, {}",
            scenario.seed,
            scenario.clients,
            scenario.docs,
            humantime::format_duration(scenario.lasts)
        );
        Self {
            terminal,
            style: Style::of(terminal),
            lasts: scenario.lasts,
            told: Duration::ZERO,
        }
    }

    pub(crate) fn shows(&mut self, progress: Progress) {
        if !self.terminal && progress.elapsed < self.told + RARELY {
            return;
        }
        self.told = progress.elapsed;
        let part = progress.elapsed.as_secs_f64() / self.lasts.as_secs_f64().max(0.001);
        let full = if progress.settling {
            BAR
        } else {
            ((part * BAR as f64) as usize).min(BAR)
        };
        let bar = format!(
            "{}{}",
            self.style.good(&"━".repeat(full)),
            self.style.dim(&"─".repeat(BAR - full))
        );
        let phase = if progress.settling {
            "settling"
        } else {
            "chaos"
        };
        let line = format!(
            "{bar} {:5.1} s {phase:8} {} edits, {} saved, {} grants, {} parked, {} disturbances",
            progress.elapsed.as_secs_f64(),
            progress.edits,
            progress.saved,
            progress.grants,
            progress.parked,
            progress.disturbances
        );
        if self.terminal {
            eprint!("\r{line}\x1b[K");
            // A terminal that does not show it is no reason to stop.
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }

    pub(crate) fn ends(&self) {
        if self.terminal {
            eprintln!();
        }
    }
}

#[derive(Serialize)]
struct Told<'a> {
    outcome: Outcome,
    problems: Vec<String>,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

/// The verdict for machines.
#[allow(clippy::print_stdout, reason = "the verdict is the program's output")]
pub(crate) fn json(verdict: &Verdict) -> Result<(), serde_json::Error> {
    let told = Told {
        outcome: verdict.outcome(),
        problems: verdict.problems().collect(),
        verdict,
    };
    println!("{}", serde_json::to_string_pretty(&told)?);
    Ok(())
}

/// The verdict for people.
#[allow(clippy::print_stdout, reason = "the verdict is the program's output")]
pub(crate) fn table(verdict: &Verdict, style: Style) {
    for document in &verdict.documents {
        println!("{}", line(document, verdict.locks, style));
        let problems = document.problems();
        for problem in problems.iter().take(PROBLEMS) {
            println!("     {}", style.bad(problem));
        }
        if problems.len() > PROBLEMS {
            println!("     and {} more", problems.len() - PROBLEMS);
        }
    }
    for what in &verdict.unjudged {
        println!("not judged: {what}");
    }
    let seed = verdict.seed;
    match verdict.outcome() {
        Outcome::Sound => println!("{}: {}, seed {seed}", verdict.scenario, style.good("sound")),
        Outcome::Finding => {
            let count = verdict.problems().count();
            let word = if count == 1 { "finding" } else { "findings" };
            println!("{}, seed {seed}", style.bad(&format!("{count} {word}")));
        }
        Outcome::Unjudged => println!("not everything could be judged, seed {seed}"),
    }
    if verdict.outcome() != Outcome::Sound {
        println!("again with: baton-lab run {}", verdict.again);
    }
}

/// How the locks went from hand to hand.
fn held(lock: &LockVerdict) -> String {
    let mut words = format!(
        "locks: {} offers, {} grants ({} of parts), {} losses",
        lock.offers, lock.grants, lock.parts, lock.losses
    );
    for (how, count) in &lock.left {
        let how = match how {
            Left::Released => continue,
            Left::Transfer => "handed over",
            Left::TakenOver => "taken over",
            Left::Moved => "moved",
            Left::Requested => "given up on request",
            Left::Idle => "given up idle",
            Left::Revoked => "given up for want of the right",
        };
        words.push_str(&format!(", {count} {how}"));
    }
    words
}

fn line(document: &DocumentVerdict, locks: bool, style: Style) -> String {
    let word = if document.is_good() {
        style.good("ok ")
    } else {
        style.bad("BAD")
    };
    let converged = if document.converged {
        "converged"
    } else {
        "NOT CONVERGED"
    };
    let mut counts = format!(
        "{} put in, {} there, {} taken out",
        document.inserted, document.present, document.deleted
    );
    for (count, what) in [
        (document.parked, "parked"),
        (document.discarded, "discarded"),
        (document.drafts, "drafts"),
        (document.unsaved, "gone unsaved"),
        (document.lost.len(), "lost"),
        (document.duplicated.len(), "duplicated"),
        (document.merged, "parks merged"),
    ] {
        if count > 0 {
            counts.push_str(&format!(", {count} {what}"));
        }
    }
    let lock = &document.lock;
    let lock = if locks {
        held(lock)
    } else {
        "locks: not spoken here".to_owned()
    };
    format!(
        "{word} {}  {converged}  {}",
        document.name,
        style.dim(&format!("{counts}; {lock}"))
    )
}
