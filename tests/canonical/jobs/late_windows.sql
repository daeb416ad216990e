-- Tumbling, sliding and growing windows over records of which some come too late.
-- records: late
CREATE TABLE events (
  k STRING, v BIGINT, d DOUBLE, n DECIMAL(8, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '0.2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'events', 'format' = 'json');

CREATE TABLE tumbling (k STRING, s TIMESTAMP(3), n BIGINT, total BIGINT, mean DOUBLE, most DECIMAL(8, 2)) WITH ('connector' = 'filesystem', 'path' = 'tumbling', 'format' = 'json');
CREATE TABLE sliding (s TIMESTAMP(3), e TIMESTAMP(3), n BIGINT, small BIGINT, least BIGINT, keys BIGINT) WITH ('connector' = 'filesystem', 'path' = 'sliding', 'format' = 'json');
CREATE TABLE growing (k STRING, s TIMESTAMP(3), e TIMESTAMP(3), total DECIMAL(38, 2)) WITH ('connector' = 'filesystem', 'path' = 'growing', 'format' = 'json');
CREATE TABLE late (k STRING, v BIGINT, ts TIMESTAMP(3), missed INT, windows INT, w TIMESTAMP(3), s STRING, o BIGINT) WITH ('connector' = 'filesystem', 'path' = 'late', 'format' = 'json');
EXECUTE STATEMENT SET BEGIN
INSERT INTO tumbling
SELECT k, window_start, COUNT(*), SUM(v), AVG(d), MAX(n)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' SECOND))
GROUP BY k, window_start, window_end;
INSERT INTO sliding
SELECT window_start, window_end, COUNT(*), COUNT(v) FILTER (WHERE v < 40), MIN(v), COUNT(DISTINCT k)
FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '0.5' SECOND, INTERVAL '2' SECOND))
GROUP BY window_start, window_end;
INSERT INTO growing
SELECT k, window_start, window_end, SUM(n)
FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(ts), INTERVAL '0.5' SECOND, INTERVAL '2' SECOND))
GROUP BY k, window_start, window_end;
INSERT INTO late
SELECT k, v, ts, `_windows_missed`, `_windows_total`, `_watermark`, `_split`, `_offset` FROM `events$late`;
END;
