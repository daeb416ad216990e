-- Aggregates of different values only, with conditions, and means of integers.
CREATE TABLE events (
  k STRING, v BIGINT, d DOUBLE, n DECIMAL(8, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '0.2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'events', 'format' = 'json');

CREATE TABLE results (s TIMESTAMP(3), k STRING, vs BIGINT, odd BIGINT, total BIGINT, mean BIGINT, below BIGINT, lowest STRING, cents DECIMAL(38, 2)) WITH ('connector' = 'filesystem', 'path' = 'results', 'format' = 'json');
INSERT INTO results
SELECT window_start, k, COUNT(DISTINCT v), COUNT(DISTINCT v) FILTER (WHERE v > 50),
  SUM(DISTINCT v), AVG(v), SUM(v - 60) FILTER (WHERE v < 60), MIN(k), SUM(n) FILTER (WHERE k IS NULL OR v > 10)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '2' SECOND))
GROUP BY k, window_start, window_end;
