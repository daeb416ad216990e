-- Sessions, and windows over sessions, of records of which some come too late.
-- records: late
CREATE TABLE events (
  k STRING, v BIGINT, d DOUBLE, n DECIMAL(8, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '0.2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'events', 'format' = 'json');

CREATE TABLE sessions (k STRING, s TIMESTAMP(3), e TIMESTAMP(3), n BIGINT, total BIGINT) WITH ('connector' = 'filesystem', 'path' = 'sessions', 'format' = 'json');
CREATE TABLE ended (s TIMESTAMP(3), e TIMESTAMP(3), sessions BIGINT, events_seen BIGINT, longest BIGINT) WITH ('connector' = 'filesystem', 'path' = 'ended', 'format' = 'json');
CREATE TABLE late (k STRING, v BIGINT, ts TIMESTAMP(3), missed INT, windows INT, w TIMESTAMP(3), s STRING, o BIGINT) WITH ('connector' = 'filesystem', 'path' = 'late', 'format' = 'json');
CREATE VIEW by_key AS
SELECT k, window_time AS wt, COUNT(*) AS n
FROM TABLE(SESSION(TABLE events PARTITION BY k, DESCRIPTOR(ts), INTERVAL '0.08' SECOND))
GROUP BY k, window_start, window_end, window_time;
EXECUTE STATEMENT SET BEGIN
INSERT INTO sessions
SELECT k, window_start, window_end, COUNT(*), SUM(v)
FROM TABLE(SESSION(TABLE events PARTITION BY k, DESCRIPTOR(ts), INTERVAL '0.12' SECOND))
GROUP BY k, window_start, window_end;
INSERT INTO ended
SELECT window_start, window_end, COUNT(*), SUM(n), MAX(n)
FROM TABLE(TUMBLE(TABLE by_key, DESCRIPTOR(wt), INTERVAL '1' SECOND))
GROUP BY window_start, window_end;
INSERT INTO late
SELECT k, v, ts, `_windows_missed`, `_windows_total`, `_watermark`, `_split`, `_offset` FROM `events$late`;
END;
