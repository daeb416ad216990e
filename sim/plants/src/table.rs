//! Which planted bug shows where.

use crate::witness::{self as on, Witness};
use anabranch_engine::plant::Plant::{self, *};

/// Every planted bug that has a switch, with what it is looked for with; one that could
/// be made at several places stands here once for each.
pub const PLANTED: &[(Plant, Witness)] = &[
    (W1, on::ALIGNED),
    (W2, on::GROWING_CALM),
    (W4, on::ALIGNED),
    (W5, on::ALIGNED),
    (W9, on::GROWING),
    (W10, on::GROWING),
    (W11, on::GROWING),
    (W12, on::GROWING),
    (W13, on::BAD_VALUES),
    (D1, on::SESSIONS),
    (D3, on::ALIGNED),
    (D5, on::ALIGNED),
    (D7, on::ALIGNED),
    (D9, on::ALIGNED),
    (D10, on::SESSIONS),
    (D11, on::ALIGNED),
    (D12, on::ALIGNED),
    (D13, on::NESTED),
    (J2, on::OBJECT_STORES),
    (J2, on::TOPIC_JOURNAL),
    (J7, on::LOCAL_STORES),
    (J7, on::OBJECT_STORES),
    (J7, on::TOPIC_JOURNAL),
    (J10, on::OBJECT_ROT),
    (P1, on::LOCAL_STORES),
    (P1, on::OBJECT_STORES),
    (P3, on::LOCAL_STORES),
    (P3, on::OBJECT_STORES),
    (P5, on::ALIGNED),
    (P6, on::OBJECT_STORES),
    (K1, on::FILES),
    (K1, on::KAFKA),
    (K1, on::CLICKHOUSE_STRICT),
    (K2, on::FILES),
    (K2, on::KAFKA),
    (K2, on::REDIS),
    (K2, on::CLICKHOUSE_APPEND),
    (K2, on::CLICKHOUSE_KEYED),
    (K3, on::KAFKA),
    (K3, on::CLICKHOUSE_STRICT),
    (K4, on::KAFKA),
    (K6, on::REDIS),
    (K7, on::REDIS),
    (K8, on::CLICKHOUSE_APPEND),
    (K9, on::CLICKHOUSE_APPEND),
    (K12, on::REDIS_LOSES),
    (K12, on::CLICKHOUSE_LOSES),
    (K13, on::KAFKA),
    (K14, on::KAFKA),
    (K17, on::KAFKA),
    (K17, on::REDIS),
    (K17, on::CLICKHOUSE_APPEND),
    (K18, on::KAFKA),
    (K18, on::REDIS),
    (K18, on::CLICKHOUSE_KEYED),
    (K19, on::KAFKA),
    (K19, on::REDIS),
    (K20, on::KAFKA),
];

/// Those that no seed of the test's budget finds, with where they are looked for, and why
/// that is.
pub const NOT_FOUND_YET: &[(Plant, &str, &str)] = &[];

/// Those that have no switch in the engine, and why.
pub const NOT_PLANTED: &[(Plant, &str)] = &[];
