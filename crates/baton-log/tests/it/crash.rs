//! The embedded store on a disk that crashes at each write, resize and sync. The writes that were
//! not synced are kept, lost, or kept, lost and torn at random.
//!
//! `BATON_LOG_SEED` repeats a run; a failing one prints its seed.

use crate::disk::{Disk, Fate};
use crate::model::{Driver, Model, options};
use baton_log::{Log, RedbStore, Store, StoreTable};
use baton_testkit::Random;

const STEPS: usize = 120;

/// Starts a log on the disk and drives it until the disk crashes or the steps are over. Returns no
/// store if the crash came while the file was being created: it never got its name.
fn drive(disk: &Disk, model: &mut Model, seed: u64) -> Option<()> {
    let store = RedbStore::with_backend(disk.clone(), options().cache_bytes).ok()?;
    if let Ok(log) = Log::start(store, options()) {
        let mut random = Random::from_seed(seed);
        let _ = Driver::new(&log, model).run(&mut random, STEPS);
    }
    Some(())
}

/// Opens the store after the crash, checks it, and returns the disk to continue with.
fn recover(image: Vec<u8>, model: &mut Model) -> Disk {
    let disk = Disk::with(image);
    let store = RedbStore::with_backend(disk.clone(), options().cache_bytes).unwrap();
    let log = Log::start(store, options()).unwrap();
    assert!(log.damaged().is_empty(), "{:?}", log.damaged());
    model.judge(&log);
    disk
}

fn relocated_rows(disk: &Disk) -> usize {
    let store = RedbStore::with_backend(Disk::with(disk.image()), 1 << 20).unwrap();
    let mut relocated = 0;
    let view = store.view().unwrap();
    view.scan(StoreTable::Journal, &mut |_, row| {
        relocated += usize::from(row[4] == 1);
    })
    .unwrap();
    relocated
}

#[test]
fn what_was_reported_durable_survives_a_crash_at_any_call() {
    let seed = Random::seed("BATON_LOG_SEED");
    eprintln!("BATON_LOG_SEED={seed}");
    let calm = Disk::default();
    drive(&calm, &mut Model::default(), seed).unwrap();
    for crash in 1..=calm.calls() {
        let disk = Disk::default();
        disk.crash_at(crash);
        let mut model = Model::default();
        if drive(&disk, &mut model, seed).is_none() {
            continue;
        }
        let mixed = |salt| Fate::Mixed(seed ^ crash << 8 ^ salt);
        for fate in [Fate::Kept, Fate::Lost, mixed(1), mixed(2), mixed(3)] {
            eprintln!("crash at call {crash}, unsynced writes {fate:?}");
            recover(disk.survivor(fate), &mut model.clone());
        }
    }
}

#[test]
fn crash_after_crash_loses_nothing_either() {
    let seed = Random::seed("BATON_LOG_SEED");
    eprintln!("BATON_LOG_SEED={seed}");
    let mut random = Random::from_seed(seed);
    let mut relocated = 0;
    for chain in 0..12 {
        let (mut disk, mut model) = (Disk::default(), Model::default());
        for life in 0..8 {
            let crash = random.within(40..1500);
            eprintln!("chain {chain}, life {life}, crash at call {crash}");
            disk.crash_at(crash);
            drive(&disk, &mut model, random.bits()).unwrap();
            let fate = match random.within(0..4) {
                0 => Fate::Kept,
                1 => Fate::Lost,
                _ => Fate::Mixed(random.bits()),
            };
            disk = recover(disk.survivor(fate), &mut model);
        }
        relocated += relocated_rows(&disk);
    }
    assert!(
        relocated > 0,
        "no row was ever relocated: the test has lost its point"
    );
}
