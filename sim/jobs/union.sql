-- Two tables in one window: a log, and a folder of files.
CREATE TABLE clicks (
  k  STRING,
  v  BIGINT,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'clicks',
  'properties.bootstrap.servers' = 'localhost:9092',
  'scan.bounded.mode' = 'latest-offset',
  'format' = 'json'
);

CREATE TABLE views (
  k  STRING,
  v  BIGINT,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
  'connector' = 'filesystem',
  'path' = 'made-up',
  'format' = 'csv'
);

CREATE TABLE counts (
  window_start TIMESTAMP(3),
  window_end   TIMESTAMP(3),
  k            STRING,
  n            BIGINT,
  total        BIGINT,
  PRIMARY KEY (window_start, k) NOT ENFORCED
) WITH (
  'connector' = 'redis',
  'url' = 'redis://localhost:6379',
  'sink.chunk-rows' = '3'
);

CREATE VIEW events AS
SELECT k, v, ts FROM clicks
UNION ALL
SELECT k, v, ts FROM views;

INSERT INTO counts
SELECT window_start, window_end, k, COUNT(*) AS n, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, k;
