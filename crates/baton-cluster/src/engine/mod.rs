//! The connection to NATS JetStream, and the tasks that drive the machines of
//! [`core`](crate::core).
