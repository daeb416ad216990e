-- Windows over the rows of windows.
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

CREATE TABLE sums (
  window_start TIMESTAMP(3),
  window_end   TIMESTAMP(3),
  windows      BIGINT,
  total        BIGINT
) WITH (
  'connector' = 'filesystem',
  'path' = 'out/sums',
  'format' = 'json'
);

CREATE VIEW small AS
SELECT window_time, k, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND))
GROUP BY window_start, window_end, window_time, k;

INSERT INTO sums
SELECT window_start, window_end, COUNT(*) AS windows, SUM(n) AS total
FROM TABLE(TUMBLE(TABLE small, DESCRIPTOR(window_time), INTERVAL '20' SECOND))
GROUP BY window_start, window_end;
