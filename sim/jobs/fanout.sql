-- One job, three services, and three different results.
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
  most         BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'counts',
  'properties.bootstrap.servers' = 'localhost:9092',
  'sink.chunk-rows' = '3',
  'format' = 'json'
);

CREATE TABLE latest (
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
  'sink.chunk-rows' = '3'
);

CREATE TABLE large (
  k  STRING,
  v  BIGINT,
  ts TIMESTAMP(3)
) WITH (
  'connector' = 'clickhouse',
  'url' = 'http://localhost:8123',
  'table-name' = 'large',
  'sink.chunk-rows' = '3',
  'mode' = 'strict'
);

EXECUTE STATEMENT SET
BEGIN

INSERT INTO counts
SELECT window_start, window_end, k, COUNT(*) AS n, SUM(v) AS total, MIN(v) AS least, MAX(v) AS most
FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND))
GROUP BY window_start, window_end, k;

INSERT INTO latest
SELECT window_start, window_end, k, COUNT(*) AS n, SUM(v) AS total, MIN(v) AS least, MAX(v) AS most
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, k;

INSERT INTO large
SELECT k, v, ts FROM events WHERE v >= 4000;

END;

-- assert one_row_a_window:
--   SELECT window_start, k FROM counts GROUP BY window_start, k HAVING COUNT(*) > 1;

-- Over two services: a window holds what a shorter one with the same beginning holds.
-- assert long_holds_short:
--   SELECT c.window_start, c.k, c.n, l.n AS of_short
--   FROM counts AS c JOIN latest AS l ON c.window_start = l.window_start AND c.k = l.k
--   WHERE c.n < l.n;
