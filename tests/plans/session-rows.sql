-- The rows of sessions as they are, without an aggregate.
CREATE TABLE events (
  k  STRING,
  d  DOUBLE,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
  'connector' = 'filesystem',
  'path' = 'made-up',
  'format' = 'json'
);

CREATE TABLE rows_of_sessions (
  window_start TIMESTAMP(3),
  window_end   TIMESTAMP(3),
  k            STRING,
  d            DOUBLE
) WITH (
  'connector' = 'filesystem',
  'path' = 'out/rows',
  'format' = 'json'
);

INSERT INTO rows_of_sessions
SELECT window_start, window_end, k, d
FROM TABLE(SESSION(TABLE events PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' SECOND));
