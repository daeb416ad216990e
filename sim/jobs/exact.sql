-- What an order among rows, or of additions, could change; late and bad rows; a filter.
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

CREATE TABLE exact (
  window_start TIMESTAMP(3),
  window_end   TIMESTAMP(3),
  k            STRING,
  total        DOUBLE,
  mean         DOUBLE,
  earliest     BIGINT,
  latest       BIGINT
) WITH (
  'connector' = 'filesystem',
  'path' = 'out/exact',
  'format' = 'json'
);

CREATE TABLE large (
  k  STRING,
  v  BIGINT,
  ts TIMESTAMP(3)
) WITH (
  'connector' = 'filesystem',
  'path' = 'out/large',
  'format' = 'json'
);

CREATE TABLE late (
  k           STRING,
  v           BIGINT,
  ts          TIMESTAMP(3),
  `_operator` STRING,
  `_split`    STRING,
  `_offset`   BIGINT
) WITH (
  'connector' = 'filesystem',
  'path' = 'out/late',
  'format' = 'json'
);

EXECUTE STATEMENT SET
BEGIN

INSERT INTO exact
SELECT window_start, window_end, k, SUM(d) AS total, AVG(d) AS mean,
       FIRST_VALUE(v) AS earliest, LAST_VALUE(v) AS latest
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, k;

INSERT INTO large
SELECT k, v, ts FROM events WHERE v >= 4000;

INSERT INTO late
SELECT k, v, ts, `_operator`, `_split`, `_offset` FROM `events$late`;

END;
