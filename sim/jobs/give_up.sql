-- Into two topics, of which one may be given up when it is away for too long.
CREATE TABLE events (
  k  STRING,
  v  BIGINT,
  d  DOUBLE,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'events',
  'properties.bootstrap.servers' = 'localhost:9092',
  'scan.bounded.mode' = 'latest-offset',
  'format' = 'json'
);

CREATE TABLE counts (
  window_start TIMESTAMP(3),
  window_end   TIMESTAMP(3),
  k            STRING,
  n            BIGINT,
  total        BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'counts',
  'properties.bootstrap.servers' = 'localhost:9092',
  'format' = 'json'
);

CREATE TABLE copies (
  window_start TIMESTAMP(3),
  window_end   TIMESTAMP(3),
  k            STRING,
  n            BIGINT,
  total        BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'copies',
  'properties.bootstrap.servers' = 'localhost:9092',
  'format' = 'json',
  'sink.on-lag' = 'give-up',
  'sink.lag-budget' = '20 s'
);

CREATE VIEW windows AS
SELECT window_start, window_end, k, COUNT(*) AS n, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, k;

EXECUTE STATEMENT SET
BEGIN
INSERT INTO counts SELECT window_start, window_end, k, n, total FROM windows;
INSERT INTO copies SELECT window_start, window_end, k, n, total FROM windows;
END;
