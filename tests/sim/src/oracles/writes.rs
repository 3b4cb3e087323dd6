//! S3: every applied locked write was its holder's, at its position; and whoever may write is never set aside (S6).

use baton_room::Record;

use super::Oracle;
use crate::seen::{Seen, UpdateFate};
use crate::world::World;

/// Compares what each update, and each merge of a park, changed in the document with the locks at its position: where
/// something visible changed, whoever did it held a lock there, or nobody did and none was required.
#[derive(Debug)]
pub(super) struct Writes;

impl Oracle for Writes {
    fn invariant(&self) -> &'static str {
        "S3"
    }

    fn saw(&mut self, seen: &Seen<'_>, _: &World) -> Result<(), String> {
        let Seen::Committed {
            position,
            record,
            before,
            fate,
            touched,
            ..
        } = seen
        else {
            return Ok(());
        };
        match (record, fate) {
            (Record::Update { session, .. }, Some(UpdateFate::Applied)) => {
                match before.forbids(*session, touched) {
                    Some(why) => Err(format!(
                        "{session} wrote at {position} and it was applied, while {why}"
                    )),
                    None => Ok(()),
                }
            }
            (Record::Update { session, .. }, Some(UpdateFate::Parked)) => {
                if touched.is_empty() || before.forbids(*session, touched).is_some() {
                    return Ok(());
                }
                Err(format!(
                    "{session} wrote {touched:?} at {position} and it was set aside, with {before:?}"
                ))
            }
            (
                Record::ParkDecided {
                    by, decision, id, ..
                },
                _,
            ) if !touched.is_empty() => {
                let merge = decision.is_merge();
                let by = by.filter(|_| merge).ok_or_else(|| {
                    format!("park {id} was decided ({decision:?}), and {touched:?} changed")
                })?;
                match before.forbids(by, touched) {
                    Some(why) => Err(format!("{by} merged park {id} at {position}, while {why}")),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
