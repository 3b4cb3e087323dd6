use baton_model::*;
use stateright::{Checker, HasDiscoveries, Model};
#[test]
fn size() {
    let env = |k: &str, d: u64| {
        std::env::var(k)
            .ok()
            .and_then(|s| s.parse().ok())
            .unwrap_or(d)
    };
    let s = Settings {
        faults: env("F", 1) as u8,
        crashes: env("C", 0) as u8,
        in_flight: env("N", 2) as usize,
        tail: env("T", 2) as usize,
        ..Settings::small(Flaw::None)
    };
    let t = std::time::Instant::now();
    let c = LockModel(s)
        .checker()
        .threads(2)
        .timeout(std::time::Duration::from_secs(env("S", 60)))
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    println!(
        "{s:?}\n{} unique, {} total, depth {}, {:?}",
        c.unique_state_count(),
        c.state_count(),
        c.max_depth(),
        t.elapsed()
    );
    for (n, p) in c.discoveries() {
        println!("{n}: {:?}", c.discovery_classification(n).to_string());
        if n.len() <= 3 {
            for a in p.into_actions() {
                println!("   {a:?}");
            }
        }
    }
}
