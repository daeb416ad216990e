//! SQL text in Flink's dialect to the engine's plan.
