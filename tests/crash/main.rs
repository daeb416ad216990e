//! The real binary under everything that ends a process or harms a disk: it is killed,
//! ends itself at every output, and finds its files damaged, copied, held or without
//! room. Whatever happens, the sinks come to hold what they hold without it, or the job
//! stops and says why.

mod abort;
mod clone;
mod damage;
mod disk_full;
mod job;
mod kills;
mod support;
