-- The rows that came too late go first into a sink, and the counts behind them.
CREATE TABLE events (
  k  STRING,
  v  BIGINT,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
  'connector' = 'filesystem',
  'path' = 'made-up',
  'format' = 'json'
);

CREATE TABLE late (
  k  STRING,
  v  BIGINT
) WITH (
  'connector' = 'filesystem',
  'path' = 'out/late',
  'format' = 'json'
);

CREATE TABLE counts (
  window_start TIMESTAMP(3),
  window_end   TIMESTAMP(3),
  n            BIGINT
) WITH (
  'connector' = 'filesystem',
  'path' = 'out/counts',
  'format' = 'json'
);

EXECUTE STATEMENT SET
BEGIN

INSERT INTO late SELECT k, v FROM events$late;

INSERT INTO counts
SELECT window_start, window_end, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND))
GROUP BY window_start, window_end;

END;
