//! Transport to files, terminals and services, and the local stores.
