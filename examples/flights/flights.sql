-- Departures from the three airports of New York in January 2013.
--
-- Each file is one split. Its rows stand in the order in which the flights
-- arrived, while event time is the departure: rows are out of order by the
-- length of the flight. With a watermark delay of 6 hours nearly all of them
-- come in time, but flights to Hawaii do not.

CREATE TABLE flights (
  dep     TIMESTAMP(3),  -- actual departure, New York local time
  carrier STRING,        -- airline, two characters
  plane   STRING,        -- tail number
  origin  STRING,        -- EWR, JFK or LGA
  dest    STRING,
  delay   INT,           -- of the departure, in minutes, negative if early
  miles   INT,           -- distance
  WATERMARK FOR dep AS dep - INTERVAL '6' HOUR
) WITH (
  'connector' = 'filesystem',
  'path' = 'data',
  'format' = 'json'
);

-- Departures and mean delay of each airline, by the hour.
CREATE TABLE hourly (
  window_start TIMESTAMP(3),
  window_end   TIMESTAMP(3),
  carrier      STRING,
  departures   BIGINT,
  mean_delay   DOUBLE
) WITH (
  'connector' = 'filesystem',
  'path' = 'out/hourly',
  'format' = 'json'
);

-- The delay at each airport over the last 3 hours, every 15 minutes.
CREATE TABLE rolling (
  window_start TIMESTAMP(3),
  window_end   TIMESTAMP(3),
  origin       STRING,
  departures   BIGINT,
  mean_delay   DOUBLE,
  max_delay    INT
) WITH (
  'connector' = 'filesystem',
  'path' = 'out/rolling',
  'format' = 'json'
);

-- The day of a plane: departures no more than 8 hours apart.
CREATE TABLE plane_days (
  session_start TIMESTAMP(3),
  session_end   TIMESTAMP(3),  -- last departure + 8 hours
  plane         STRING,
  legs          BIGINT,
  miles         INT,
  first_origin  STRING
) WITH (
  'connector' = 'filesystem',
  'path' = 'out/plane_days',
  'format' = 'json'
);

-- Rows that came too late for one of the three queries.
CREATE TABLE late (
  dep               TIMESTAMP(3),
  carrier           STRING,
  plane             STRING,
  origin            STRING,
  dest              STRING,
  delay             INT,
  miles             INT,
  `_operator`       STRING,
  `_windows_missed` INT,
  `_windows_total`  INT,
  `_watermark`      TIMESTAMP(3),
  `_split`          STRING,
  `_offset`         BIGINT
) WITH (
  'connector' = 'filesystem',
  'path' = 'out/late',
  'format' = 'json'
);

EXECUTE STATEMENT SET
BEGIN

INSERT INTO hourly
SELECT window_start, window_end, carrier,
       COUNT(*) AS departures,
       AVG(CAST(delay AS DOUBLE)) AS mean_delay
FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(dep), INTERVAL '1' HOUR))
GROUP BY window_start, window_end, carrier;

INSERT INTO rolling
SELECT window_start, window_end, origin,
       COUNT(*) AS departures,
       AVG(CAST(delay AS DOUBLE)) AS mean_delay,
       MAX(delay) AS max_delay
FROM TABLE(HOP(TABLE flights, DESCRIPTOR(dep), INTERVAL '15' MINUTE, INTERVAL '3' HOUR))
GROUP BY window_start, window_end, origin;

-- Most planes leave New York once a day. Only the busier days are kept.
INSERT INTO plane_days
SELECT window_start AS session_start, window_end AS session_end, plane,
       COUNT(*) AS legs,
       SUM(miles) AS miles,
       FIRST_VALUE(origin) AS first_origin
FROM TABLE(SESSION(TABLE flights PARTITION BY plane, DESCRIPTOR(dep), INTERVAL '8' HOUR))
GROUP BY window_start, window_end, plane
HAVING COUNT(*) >= 2;

INSERT INTO late
SELECT dep, carrier, plane, origin, dest, delay, miles,
       `_operator`, `_windows_missed`, `_windows_total`, `_watermark`, `_split`, `_offset`
FROM `flights$late`;

END;

-- What must hold of the results whatever goes wrong: each of these queries gives
-- no row. `anabranch sim` and `anabranch test` look at them.

-- assert one_row_an_hour:
--   SELECT window_start, carrier FROM hourly
--   GROUP BY window_start, carrier HAVING COUNT(*) > 1;

-- The days of a plane do not overlap.
-- assert days_apart:
--   SELECT a.plane, a.session_start, b.session_start AS other_start
--   FROM plane_days AS a JOIN plane_days AS b ON a.plane = b.plane
--   WHERE a.session_start < b.session_start AND b.session_start < a.session_end;

-- Three hours hold the departures of the first of them.
-- assert three_hours_hold_the_first:
--   SELECT three.window_start, three.departures, one.departures AS of_first
--   FROM (SELECT window_start, SUM(departures) AS departures
--         FROM rolling GROUP BY window_start) AS three
--   JOIN (SELECT window_start, SUM(departures) AS departures
--         FROM hourly GROUP BY window_start) AS one
--     ON three.window_start = one.window_start
--   WHERE one.departures > three.departures;
