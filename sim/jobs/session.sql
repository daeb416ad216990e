-- Sessions by key, a second apart at most: steps of exactly a second do occur.
CREATE TABLE events (
  k  STRING,
  v  BIGINT,
  d  DOUBLE,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH (
  'connector' = 'filesystem',
  'path' = 'made-up',
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
FROM TABLE(SESSION(TABLE events PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' SECOND))
GROUP BY window_start, window_end, k;

-- Sessions of a key do not overlap.
-- assert sessions_apart:
--   SELECT a.k, a.window_start, b.window_start AS other
--   FROM counts AS a JOIN counts AS b ON a.k = b.k
--   WHERE a.window_start < b.window_start AND b.window_start < a.window_end;
