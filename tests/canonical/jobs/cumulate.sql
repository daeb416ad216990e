-- Running sums within windows that grow, only of groups that are large.
CREATE TABLE events (
  k STRING, v BIGINT, d DOUBLE, n DECIMAL(8, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '0.2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'events', 'format' = 'json');

CREATE TABLE results (k STRING, e TIMESTAMP(3), total DECIMAL(38, 2)) WITH ('connector' = 'filesystem', 'path' = 'results', 'format' = 'json');
INSERT INTO results
SELECT k, window_end, SUM(n)
FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '3' SECOND))
GROUP BY k, window_start, window_end
HAVING COUNT(*) > 3;
