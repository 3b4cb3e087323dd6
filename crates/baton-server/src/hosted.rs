//! Documents in process: the program that embeds the server reads and edits them, and hears what
//! happens in them, without a socket.
//!
//! A hosted document is a session like any other. The same limits, rights and locks count for it,
//! others see it in the roster, and its edits have their positions in the log. Only its frames go
//! over no wire.
//!
//! | module | content |
//! | --- | --- |
//! | `hosted_document` | the handle: reading, and editing until the edit is durable |
//! | `session_task` | the session: brings edits in, and reads what the room sends |
//! | `author` | who edits |
//! | `event`, `error` | plain data |

mod author;
mod error;
mod event;
mod hosted_document;
mod session_task;

pub use author::HostedAuthor;
pub use error::{HostedDocumentEnded, HostedEditError};
pub use event::HostedEvent;
pub use hosted_document::HostedDocument;
