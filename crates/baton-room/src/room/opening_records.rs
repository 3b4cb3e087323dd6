//! The records with which a room begins after its document was loaded.

use baton_presence::{Event, LockSettings, LockState};

use crate::replica::Record;

/// Returns the records that make the loaded locks those of this server: a new epoch, the restart,
/// other settings. The mode is the document's own: only a new document takes it from the settings.
pub(super) fn opening_records(
    locks: &LockState,
    settings: LockSettings,
    is_new: bool,
) -> impl Iterator<Item = Record> + use<> {
    let LockSettings {
        epoch,
        auto_pass,
        mode,
    } = settings;
    let enters = (locks.epoch() != epoch).then_some(Record::Epoch(epoch));
    let restarts = (!locks.is_empty()).then_some(Event::Restarted);
    let passes = locks.auto_pass() != auto_pass;
    let passes = passes.then_some(Event::AutoPassSet(auto_pass));
    let modes = (is_new && locks.mode() != mode).then_some(Event::ModeSet(mode));
    let events = [restarts, passes, modes].into_iter().flatten();
    enters.into_iter().chain(events.map(Record::Presence))
}
