//! Runs one target on the files named, as often as the corpus keeps them: `cargo run -p baton-fuzz --example one http FILE..`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a panic is how this program fails"
)]

use baton_fuzz::memory::measured;
use baton_fuzz::targets::Target;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let target = Target::named(&name).unwrap_or_else(|| panic!("no target {name}"));
    for file in arguments {
        let input = std::fs::read(&file).unwrap();
        let peak = measured(|| (target.run)(&input));
        println!("{file}: {} bytes, {peak} allocated at once", input.len());
    }
}
