-- Rows of two conditions together, in one window.
CREATE TABLE events (
  k STRING, v BIGINT, d DOUBLE, n DECIMAL(8, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '0.2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'events', 'format' = 'json');

CREATE TABLE results (s TIMESTAMP(3), n BIGINT, total BIGINT) WITH ('connector' = 'filesystem', 'path' = 'results', 'format' = 'json');
CREATE VIEW both_kinds AS
SELECT v, ts FROM events WHERE v > 70 UNION ALL SELECT v, ts FROM events WHERE v < 30;
INSERT INTO results
SELECT window_start, COUNT(*), SUM(v)
FROM TABLE(TUMBLE(TABLE both_kinds, DESCRIPTOR(ts), INTERVAL '1' SECOND))
GROUP BY window_start, window_end;
