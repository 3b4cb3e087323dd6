//! The protocol between nodes as machines without IO: no clock, no task, no socket, no disk.
