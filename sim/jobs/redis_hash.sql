-- Into Redis, a row a key, as a hash with a field for each column.
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
  'scan.bounded.mode' = 'latest-offset',
  'format' = 'json'
);

CREATE TABLE counts (
  window_start TIMESTAMP(3),
  window_end   TIMESTAMP(3),
  k            STRING,
  n            BIGINT,
  total        BIGINT,
  least        BIGINT,
  most         BIGINT,
  PRIMARY KEY (window_start, k) NOT ENFORCED
) WITH (
  'connector' = 'redis',
  'url' = 'redis://localhost:6379',
  'value.type' = 'hash',
  'sink.chunk-rows' = '3'
);

INSERT INTO counts
SELECT window_start, window_end, k, COUNT(*) AS n, SUM(v) AS total, MIN(v) AS least, MAX(v) AS most
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, k;
