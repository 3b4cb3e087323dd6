//! Stories about Baton over real sockets, one file a theme.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the story")]

mod awareness;
mod backup;
mod chaos;
mod client_locks;
mod client_parks;
mod configuration;
mod disk;
mod doors;
mod earlier_folders;
mod editing;
mod enforcement;
mod gaps;
mod handing_over;
mod hocuspocus;
mod hostile;
mod hostile_sockets;
mod http_surface;
mod isolation;
mod life;
mod limits;
mod listening;
mod lock;
mod names;
mod operating;
mod overload;
mod package;
mod pair;
mod protocol;
mod quotas;
mod relay;
mod returning;
mod roster;
mod saved;
mod slow;
mod tls;
