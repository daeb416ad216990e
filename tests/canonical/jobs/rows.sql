-- Row by row: conditions, CASE, COALESCE, LIKE, casts.
CREATE TABLE events (
  k STRING, v BIGINT, d DOUBLE, n DECIMAL(8, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '0.2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'events', 'format' = 'json');

CREATE TABLE results (k STRING, what STRING, v BIGINT, half DOUBLE, digits STRING, ts TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = 'results', 'format' = 'json');
INSERT INTO results
SELECT UPPER(k), CASE WHEN v < 10 THEN 'small' WHEN v < 60 THEN 'middle' ELSE 'large' END,
  COALESCE(v, -1), d / 2, CAST(v AS STRING), ts
FROM events
WHERE (k LIKE 'a%' OR k IN ('b', 'c') OR k IS NULL) AND (v IS NULL OR NOT (v BETWEEN 20 AND 30));
