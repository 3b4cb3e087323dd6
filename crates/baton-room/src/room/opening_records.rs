//! The records with which a room begins after its document was loaded.

use baton_presence::{Event, LockSettings};

use crate::options::RoomOptions;
use crate::replica::{HostId, Record, ReplicatedState};

/// Returns the records that make the loaded locks those of this server: a new epoch, the restart,
/// other settings. The mode is the document's own: only a new document takes it from the settings.
///
/// In a cluster no host has restarted the document: its caller names the hosts that are lost. A
/// server outside of the cluster which wrote the log before writes it no more. Nor has this host a
/// connection of an earlier room of the document, if that was given up.
pub(super) fn opening_records(
    state: &ReplicatedState,
    options: &RoomOptions,
    is_new: bool,
) -> impl Iterator<Item = Record> + use<> {
    let locks = state.locks();
    let LockSettings {
        epoch,
        auto_pass,
        mode,
    } = options.lock_settings;
    let enters = (locks.epoch() != epoch).then_some(Record::Epoch(epoch));
    let is_left = |host: &HostId| state.hosts().contains(host);
    let left = options.host.map(|own| [HostId::ALONE, own]);
    let left = left.into_iter().flatten().filter(is_left);
    let overdue_to = 0;
    let left: Vec<_> = left
        .map(|host| Record::HostLost { host, overdue_to })
        .collect();
    let restarts =
        (options.host.is_none() && !locks.is_empty()).then_some(Record::Presence(Event::Restarted));
    let passes = locks.auto_pass() != auto_pass;
    let passes = passes.then_some(Record::Presence(Event::AutoPassSet(auto_pass)));
    // Another host may open the document at the same time, and a session may set another mode
    // before this record has its position. Auto-pass and epoch follow the server at any time.
    let begins = if options.host.is_some() {
        Record::InitialMode(mode)
    } else {
        Record::Presence(Event::ModeSet(mode))
    };
    let begins = (is_new && locks.mode() != mode).then_some(begins);
    let began = [enters, restarts].into_iter().flatten();
    began.chain(left).chain(passes).chain(begins)
}
