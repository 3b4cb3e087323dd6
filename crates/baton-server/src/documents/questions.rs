//! A question to an open document, which no connection asks.

use std::sync::Arc;

use baton_presence::Time;
use baton_room::Room;
use tokio::sync::oneshot;

use crate::documents::open_document::{Gone, OpenDocument};
use crate::documents::work_cost::StepKind;

/// Looks at a document, on the pool if that takes long.
///
/// # Errors
/// It has left memory.
pub(crate) async fn ask<T: Send + 'static>(
    document: &Arc<OpenDocument>,
    kind: StepKind,
    look: impl FnOnce(&Room) -> T + Send + 'static,
) -> Result<T, Gone> {
    let (tell, told) = oneshot::channel();
    let looking = document.own_step(kind, move |room: &mut Room, _: Time| {
        // The asking task may be gone.
        let _nobody_waits = tell.send(look(room));
    });
    looking.await?;
    told.await.map_err(|_| Gone)
}
