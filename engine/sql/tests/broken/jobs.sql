==== misspelled keyword
SELEC bidder FROM bids;
==== missing semicolon
SELECT bidder FROM bids
SELECT price FROM bids;
==== missing comma
SELECT bidder price auction FROM bids;
==== trailing comma
SELECT bidder, FROM bids;
==== unbalanced parenthesis
SELECT (price + 1 FROM bids;
==== mistake inside a sub-query
SELECT a FROM (SELECT price AS a, FROM bids WHERE price > 1) AS t;
==== missing closing of a window
SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR);
==== unknown statement
UPDATE bids SET price = 1;
==== unknown table
SELECT * FROM bid;
==== table of another case
SELECT * FROM Bids;
==== unknown column
SELECT bider, prise FROM bids;
==== unknown qualifier
SELECT b.price FROM bids AS x;
==== unknown field
SELECT item.nam FROM bids;
==== field of a number
SELECT price.cents FROM bids;
==== ambiguous column
SELECT price FROM (SELECT price, auction AS price FROM bids) AS t;
==== alias in WHERE
SELECT price * 2 AS twice FROM bids WHERE twice > 4;
==== unknown function
SELECT UPER(bidder) FROM bids;
==== wrong number of arguments
SELECT UPPER(bidder, 1) FROM bids;
==== wrong type of argument
SELECT bidder + 1, bidder * ts FROM bids;
==== comparison of strangers
SELECT * FROM bids WHERE item = 3;
==== condition that is none
SELECT * FROM bids WHERE price;
==== case without a common type
SELECT CASE WHEN price > 1 THEN 'a' ELSE 2 END FROM bids;
==== impossible cast
SELECT CAST(price AS TIMESTAMP(3)) FROM bids;
==== unknown type
CREATE TABLE t (a STRNG, b INT) WITH ('connector' = 'print');
==== type of another engine
CREATE TABLE t (a TEXT) WITH ('connector' = 'print');
==== decimal out of range
CREATE TABLE t (a DECIMAL(39, 2)) WITH ('connector' = 'print');
==== number out of range
SELECT 1e999, 123456789012345678901234567890123456789 FROM bids;
==== bad date and bad interval
SELECT DATE '2021-02-29', INTERVAL '1:99' MINUTE TO SECOND FROM bids;
==== interval without quotes
SELECT ts + INTERVAL 5 MINUTE FROM bids;
==== table created twice
CREATE TABLE bids (a INT) WITH ('connector' = 'print');
==== column declared twice
CREATE TABLE t (a INT, b INT, a STRING) WITH ('connector' = 'print');
==== computed column over a computed column
CREATE TABLE t (a INT, b AS a + 1, c AS b + 1) WITH ('connector' = 'print');
==== watermark over TIMESTAMP
CREATE TABLE t (ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'datagen');
==== watermark over a number
CREATE TABLE t (ms BIGINT, WATERMARK FOR ms AS ms - 1) WITH ('connector' = 'datagen');
==== watermark over a missing column
CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR tss AS ts) WITH ('connector' = 'datagen');
==== watermark that is no timestamp
CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS 5) WITH ('connector' = 'datagen');
==== watermark by the clock
CREATE TABLE t (ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS NOW()) WITH ('connector' = 'datagen');
==== primary key that is enforced
CREATE TABLE t (a INT PRIMARY KEY) WITH ('connector' = 'print');
==== primary key over a missing column
CREATE TABLE t (a INT, PRIMARY KEY (aa) NOT ENFORCED) WITH ('connector' = 'print');
==== no connector
CREATE TABLE t (a INT);
==== unknown connector
CREATE TABLE t (a INT) WITH ('connector' = 'filesytem', 'path' = 'x', 'format' = 'json');
==== connector that is not here yet
CREATE TABLE t (a INT) WITH ('connector' = 'pulsar', 'topic' = 'x');
==== several bad options at once
CREATE TABLE t (a INT) WITH (
  'connector' = 'filesystem',
  'pat' = 'x',
  'format' = 'jsn',
  'scan.order' = 'size'
);
==== option of another format
CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'json.ignore-parse-errors' = 'true');
==== format that is not needed
CREATE TABLE t (a INT) WITH ('connector' = 'print', 'format' = 'json');
==== option of a column that is not there
CREATE TABLE t (id INT) WITH ('connector' = 'datagen', 'fields.idd.kind' = 'sequence');
==== unknown metadata
CREATE TABLE t (p STRING METADATA FROM 'file.pth', o INT METADATA FROM 'offset')
WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'json');
==== read from a sink
SELECT * FROM out2;
==== write into a source
CREATE TABLE gen (a INT) WITH ('connector' = 'datagen');
INSERT INTO gen SELECT price FROM bids;
==== wrong number of columns
INSERT INTO out2 SELECT auction, bidder, price FROM bids;
==== column that does not fit
INSERT INTO out2 SELECT bidder, auction FROM bids;
==== narrowing without a cast
CREATE TABLE small (n INT, t TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO small SELECT auction, ts FROM bids;
==== insert list with a wrong name
INSERT INTO out2 (a, c) SELECT auction, bidder FROM bids;
==== depends on a broken statement
CREATE TABLE src (a INT, b STRNG) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'json');
CREATE VIEW v AS SELECT a FROM src;
INSERT INTO out2 SELECT a, 'x' FROM v WHERE a > 1;
SELECT pric FROM bids;
==== window over a column without a watermark
SELECT * FROM TABLE(TUMBLE(TABLE plain, DESCRIPTOR(at), INTERVAL '1' HOUR));
==== window over a changed time
SELECT window_start FROM TABLE(TUMBLE(TABLE (SELECT CAST(ts AS TIMESTAMP(3)) + INTERVAL '1' HOUR AS ts FROM bids), DESCRIPTOR(ts), INTERVAL '1' HOUR));
==== window over the wrong column
SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(price), INTERVAL '1' HOUR));
==== size before slide
SELECT * FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '5' MINUTE));
==== size that is no multiple
SELECT * FROM TABLE(CUMULATE(TABLE bids, DESCRIPTOR(ts), INTERVAL '7' MINUTE, INTERVAL '1' HOUR));
==== window of months
SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MONTH));
==== window without its size
SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts)));
==== unknown parameter of a window
SELECT * FROM TABLE(TUMBLE(DATA => TABLE bids, TIMCOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' HOUR));
==== misspelled window
SELECT * FROM TABLE(TUMBEL(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR));
==== group by without window_end
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start;
==== column that is not grouped
SELECT window_start, bidder, COUNT(*) FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY window_start, window_end;
==== window_time that is not grouped
SELECT window_time, COUNT(*) FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
==== aggregate in WHERE and aggregate in an aggregate
SELECT MAX(COUNT(*)) FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR))
WHERE SUM(price) > 3 GROUP BY window_start, window_end;
==== sum of texts
SELECT SUM(bidder) FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
==== session with other keys
SELECT window_start, COUNT(*) FROM TABLE(SESSION(TABLE bids PARTITION BY bidder, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY window_start, window_end, auction;
==== legacy window that does not match
SELECT TUMBLE_START(ts, INTERVAL '2' HOUR), COUNT(*) FROM bids GROUP BY TUMBLE(ts, INTERVAL '1' HOUR);
==== late rows of a table without a watermark
SELECT * FROM `plain$late`;
==== statement set that is not closed
EXECUTE STATEMENT SET BEGIN
INSERT INTO out2 SELECT auction, bidder FROM bids;
==== something else in a statement set
EXECUTE STATEMENT SET BEGIN
SELECT price FROM bids;
END;
==== several errors in one statement
SELECT pric, UPER(bidder), auction + item FROM bids WHERE bider = 1;
