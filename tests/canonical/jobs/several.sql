-- Two statements over one scan.
CREATE TABLE events (
  k STRING, v BIGINT, d DOUBLE, n DECIMAL(8, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '0.2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'events', 'format' = 'json');

CREATE TABLE results (k STRING, n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'results', 'format' = 'json'); 
CREATE TABLE large (k STRING, v BIGINT) WITH ('connector' = 'filesystem', 'path' = 'large', 'format' = 'json');
EXECUTE STATEMENT SET BEGIN
INSERT INTO results
SELECT k, COUNT(*)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '2' SECOND))
GROUP BY k, window_start, window_end;
INSERT INTO large SELECT k, v FROM events WHERE v >= 90;
END;
