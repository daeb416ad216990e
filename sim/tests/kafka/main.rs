//! The Kafka sink and the journal in a topic over the model of a cluster: whatever is lost,
//! late, repeated or killed at whichever request, committed readers see everything once.

mod harness;
mod journal;
mod sink;
