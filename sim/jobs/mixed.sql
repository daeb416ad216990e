-- Windows into files, and the records themselves into a topic and a table.
CREATE TABLE events (
  k  STRING,
  v  BIGINT,
  d  DOUBLE,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH (
  'connector' = 'filesystem',
  'path' = 'made-up',
  'format' = 'json'
);

CREATE TABLE counts (
  window_start TIMESTAMP(3),
  window_end   TIMESTAMP(3),
  k            STRING,
  n            BIGINT,
  total        DOUBLE
) WITH (
  'connector' = 'filesystem',
  'path' = 'out/counts',
  'format' = 'json'
);

CREATE TABLE copies (
  k  STRING,
  v  BIGINT,
  ts TIMESTAMP(3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'copies',
  'properties.bootstrap.servers' = 'localhost:9092',
  'sink.chunk-rows' = '3',
  'format' = 'json'
);

CREATE TABLE kept (
  k  STRING,
  v  BIGINT,
  ts TIMESTAMP(3)
) WITH (
  'connector' = 'clickhouse',
  'url' = 'http://localhost:8123',
  'table-name' = 'kept',
  'sink.chunk-rows' = '3',
  'mode' = 'append'
);

EXECUTE STATEMENT SET
BEGIN

INSERT INTO counts
SELECT window_start, window_end, k, COUNT(*) AS n, SUM(d) AS total
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, k;

INSERT INTO copies SELECT k, v, ts FROM events;

INSERT INTO kept SELECT k, v, ts FROM events WHERE v >= 4000;

END;
