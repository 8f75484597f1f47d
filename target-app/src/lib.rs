//! The registry of trees: a small service of supervised actors with bounded mailboxes, made to be
//! observed. Its bottleneck is built in: find it from outside.

pub mod actor;
pub mod audit_log;
pub mod client;
pub mod load;
pub mod log;
pub mod mailbox;
pub mod protocol;
pub mod registration;
pub mod registry;
pub mod server;
pub mod shutdown;
pub mod store;
pub mod tree;
