-- The table of a sink has a column that is computed from others.
CREATE TABLE events (
  k  STRING,
  v  BIGINT,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
  'connector' = 'filesystem',
  'path' = 'made-up',
  'format' = 'json'
);

CREATE TABLE large (
  k       STRING,
  v       BIGINT,
  doubled AS v * 2
) WITH (
  'connector' = 'filesystem',
  'path' = 'out/large',
  'format' = 'json'
);

INSERT INTO large SELECT k, v FROM events WHERE v >= 100;
