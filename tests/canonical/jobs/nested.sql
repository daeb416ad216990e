-- A window over the results of another.
CREATE TABLE events (
  k STRING, v BIGINT, d DOUBLE, n DECIMAL(8, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '0.2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'events', 'format' = 'json');

CREATE TABLE results (s TIMESTAMP(3), groups_seen BIGINT, most BIGINT) WITH ('connector' = 'filesystem', 'path' = 'results', 'format' = 'json');
CREATE VIEW seconds AS
SELECT k, window_time AS wt, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' SECOND))
GROUP BY k, window_start, window_end, window_time;
INSERT INTO results
SELECT window_start, COUNT(*), MAX(n)
FROM TABLE(TUMBLE(TABLE seconds, DESCRIPTOR(wt), INTERVAL '4' SECOND))
GROUP BY window_start, window_end;
