-- A log that grows, whose partitions are idle now and then.
CREATE TABLE events (
  k  STRING,
  v  BIGINT,
  d  DOUBLE,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'events',
  'properties.bootstrap.servers' = 'localhost:9092',
  'scan.watermark.idle-timeout' = '800 ms',
  'format' = 'json'
);

CREATE TABLE counts (
  window_start TIMESTAMP(3),
  window_end   TIMESTAMP(3),
  k            STRING,
  n            BIGINT,
  total        BIGINT,
  least        BIGINT,
  most         BIGINT
) WITH (
  'connector' = 'filesystem',
  'path' = 'out/counts',
  'format' = 'json'
);

INSERT INTO counts
SELECT window_start, window_end, k, COUNT(*) AS n, SUM(v) AS total, MIN(v) AS least, MAX(v) AS most
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, k;
