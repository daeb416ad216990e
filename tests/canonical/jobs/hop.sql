-- Sliding counts of all rows, and of those that a condition picks.
CREATE TABLE events (
  k STRING, v BIGINT, d DOUBLE, n DECIMAL(8, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '0.2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'events', 'format' = 'json');

CREATE TABLE results (s TIMESTAMP(3), e TIMESTAMP(3), n BIGINT, large BIGINT, keys BIGINT) WITH ('connector' = 'filesystem', 'path' = 'results', 'format' = 'json');
INSERT INTO results
SELECT window_start, window_end, COUNT(v), COUNT(*) FILTER (WHERE v > 50), COUNT(DISTINCT k)
FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '0.5' SECOND, INTERVAL '2' SECOND))
GROUP BY window_start, window_end;
