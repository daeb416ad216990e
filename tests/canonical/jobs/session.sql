-- Sessions of each key.
CREATE TABLE events (
  k STRING, v BIGINT, d DOUBLE, n DECIMAL(8, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '0.2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'events', 'format' = 'json');

CREATE TABLE results (k STRING, s TIMESTAMP(3), e TIMESTAMP(3), n BIGINT, total BIGINT) WITH ('connector' = 'filesystem', 'path' = 'results', 'format' = 'json');
INSERT INTO results
SELECT k, window_start, window_end, COUNT(*), SUM(v)
FROM TABLE(SESSION(TABLE events PARTITION BY k, DESCRIPTOR(ts), INTERVAL '0.15' SECOND))
GROUP BY k, window_start, window_end;
