//! A Yjs document: yrs behind the scanner.
//!
//! Owns the one place where yrs transactions are opened. yrs gets only updates that the scanner and
//! the state rules have admitted. It never keeps anything pending, collects no garbage, and edits
//! nothing by itself. If it panics all the same, the panic ends here, and the document refuses
//! everything from then on: it is to be made again from its log.
//!
//! A [`Replica`](crate::Replica) knows the inserted and deleted units and has the bytes of all
//! blocks, which are sent to others. yrs has the document beside it once it has been read or
//! edited.
//!
//! It does not know who may write, where updates are stored, or who receives them.
//!
//! | file | owns |
//! | --- | --- |
//! | `editable_document` | the document: its replica, and yrs beside it |
//! | `yrs_doc` | the settings of yrs, and its transactions |
//! | `render` | root types as text |
//! | `text_watch` | the changes that one transaction makes to texts |
//! | `error` | reasons for which an update is not applied |

mod editable_document;
mod error;
pub(crate) mod render;
mod text_watch;
mod yrs_doc;

pub use yrs;
pub use yrs::TransactionMut;

pub use self::editable_document::{Document, DocumentOptions};
pub use self::error::{ApplyError, Broken};
pub use self::text_watch::{TextChange, TextDelta};
pub use self::yrs_doc::docs_built;
