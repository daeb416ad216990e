-- Counts, sums, averages and extremes by key and second.
CREATE TABLE events (
  k STRING, v BIGINT, d DOUBLE, n DECIMAL(8, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '0.2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'events', 'format' = 'json');

CREATE TABLE results (k STRING, s TIMESTAMP(3), e TIMESTAMP(3), n BIGINT, total BIGINT, mean DOUBLE, least DOUBLE, most DECIMAL(8, 2)) WITH ('connector' = 'filesystem', 'path' = 'results', 'format' = 'json');
INSERT INTO results
SELECT k, window_start, window_end, COUNT(*), SUM(v), AVG(d), MIN(d), MAX(n)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' SECOND))
GROUP BY k, window_start, window_end;
