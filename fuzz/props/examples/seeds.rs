//! Writes seeds into the folders of the corpora: what our own encoders write, and pieces
//! of files of the repository. The fuzzer goes on from there.

use anabranch_fuzz_props::seeds;
use anabranch_sql::{BuiltinConnectors, compile};
use std::error::Error;
use std::fs;
use std::path::Path;

/// The first lines of a text.
fn lines(text: &str, count: usize) -> String {
    text.split_inclusive('\n').take(count).collect()
}

/// Each statement of a file by itself.
fn statements(text: &str) -> Vec<String> {
    text.split_inclusive(';').map(|text| text.trim().to_owned()).collect()
}

fn sql(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let flights = fs::read_to_string(root.join("examples/flights/flights.sql"))?;
    let mut texts = statements(&flights);
    texts.push(flights);
    texts.extend(statements(&fs::read_to_string(root.join("engine/sql/tests/broken/jobs.sql"))?));
    let queries = [
        "SELECT a + 1 AS n, UPPER(b), CASE WHEN d > 1.5e0 THEN 'x' ELSE NULL END FROM t",
        "SELECT r.x, l[1], TRY_CAST(b AS DECIMAL(10, 2)) FROM t WHERE a IN (1, 2) OR b LIKE 'a%'",
        "SELECT window_start, a, COUNT(*), SUM(d) FILTER (WHERE a > 0) FROM TABLE(TUMBLE(TABLE t, \
         DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, a HAVING COUNT(*) > 1",
        "SELECT window_end, MAX(d) FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' MINUTES, \
         INTERVAL '10' MINUTES)) GROUP BY window_start, window_end",
        "SELECT b, COUNT(DISTINCT a) FROM TABLE(SESSION(TABLE t PARTITION BY b, DESCRIPTOR(ts), \
         INTERVAL '8' HOUR)) GROUP BY window_start, window_end, b",
        "SELECT TUMBLE_START(ts, INTERVAL '1' DAY), COUNT(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' DAY)",
        "SELECT SUM(p), AVG(d), MIN(b), FIRST_VALUE(a) FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), \
         INTERVAL '2' MINUTES, INTERVAL '1' HOUR)) GROUP BY window_start, window_end",
        "SELECT * FROM TABLE(TUMBLE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' DAY))",
        "INSERT INTO s SELECT a, b || 'x' FROM t WHERE o AND NOT a BETWEEN 1 AND 3",
        "INSERT INTO s VALUES (1, 'a'), (2, NULL); INSERT INTO s SELECT CHAR_LENGTH(b), w FROM t, s",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO s SELECT 1, 'x'; INSERT INTO s SELECT a, b FROM t; END",
        "SELECT _split, _reason FROM t$dead; SELECT * FROM t$late",
        "SELECT DATE_FORMAT(ts, 'yyyy-MM'), FLOOR(ts TO HOUR), TIMESTAMPDIFF(DAY, ts, ts), CAST(z AS STRING) FROM t",
        "SELECT REGEXP_REPLACE(b, '(a+)', '$1'), SPLIT_INDEX(b, ',', 0), JSON_VALUE(b, '$.a') FROM t",
        "SELECT ABS(a), ROUND(p, 1), POWER(d, 2), MOD(a, 3), COALESCE(a, 0), NULLIF(a, 1), GREATEST(a, 2) FROM t",
        "WITH x AS (SELECT a FROM t) SELECT * FROM x UNION ALL SELECT a FROM (SELECT a FROM t)",
        "CREATE VIEW v AS SELECT EXTRACT(DAY FROM ts) AS day FROM t; EXPLAIN SELECT * FROM v; DESCRIBE v",
        "SET 'table.local-time-zone' = 'UTC'; SHOW TABLES; SELECT DATE '2013-01-01', INTERVAL '1' DAY",
    ];
    texts.extend(queries.map(str::to_owned));
    Ok(texts)
}

/// Settings for a target, then the data.
fn with(settings: &[u8], data: &str) -> Vec<u8> {
    [settings, data.as_bytes()].concat()
}

fn formats(root: &Path) -> Result<Vec<seeds::Seed>, Box<dyn Error>> {
    let json = lines(&fs::read_to_string(root.join("examples/flights/data/EWR.jsonl"))?, 3);
    let scalars = "{\"a\":true,\"b\":-1,\"c\":2,\"d\":3.7,\"e\":1.5,\"f\":1e300,\"g\":\"1.005\",\
                   \"h\":\"\\u00e9\\n\",\"i\":\"AQI=\",\"j\":\"2013-01-01\",\"k\":\"01:02:03.004\",\
                   \"l\":\"2013-01-01 05:17:00.123456Z\",\"m\":\"2013-01-01T05:17:00.123456789\"}\n\
                   {\"a\":null,\"f\":\"NaN\",\"x\":[{}]}\n{\"a\":";
    let nested = "{\"r\":{\"a\":1,\"b\":{\"c\":\"x\"}},\"n\":[1,null,-3],\"m\":[{\"a\":\"y\"},{}],\
                  \"a_name_of_more_than_sixteen_bytes\":{\"z\": [1 , 2]},\"q\\\"\\\\\":0.1,\"é\":1e-18}";
    let csv = "2013-01-01 06:32:00,EV,N13553,EWR,\"IA\"\"D\",24,212\n,,,,,,\n#x\n1,2\n";
    let csv_scalars = "true,1,2,3,1.5,1e3,1.25,text,AQI=,2013-01-01,01:02:03,2013-01-01 00:00:00Z,\
                       2013-01-01 00:00:00.123456789\nNULL,x,\"a\nb\",,,,,,,,,,\n";
    let mut seeds = Vec::new();
    for (columns, text) in [(0, &json[..]), (1, scalars), (2, nested), (3, "{} \n[]\n{\"a\":1e5}")]
    {
        for options in [0, 1, 6] {
            seeds.push(("json_decode", with(&[columns, options, 0x5a], text)));
        }
    }
    for options in [0, 1, 4, 8, 16, 32, 64, 127] {
        seeds.push(("csv_decode", with(&[0, options, 0x5a], csv)));
        seeds.push(("csv_decode", with(&[1, options, 0x5a], csv_scalars)));
        seeds.push(("csv_decode", with(&[2, options, 0x5a], "1,2\n\"3\",4\r\n")));
        seeds.push(("framing", with(&[2, options, 3, 0, 5, 0, 40], csv)));
    }
    seeds.push(("framing", with(&[0, 0, 2, 0, 9, 200], &lines(&json, 2))));
    seeds.push(("framing", with(&[1, 0, 1, 0, 1], "abc")));
    Ok(seeds)
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut seeds = seeds::all();
    seeds.extend(formats(&root)?);
    for text in sql(&root)? {
        if let Some(plan) = compile(&text, &BuiltinConnectors).plan {
            let compact = serde_json::to_vec(&plan)?;
            seeds.push(("plan_json", compact));
        }
        seeds.push(("sql_text", text.into_bytes()));
    }
    for (index, (target, bytes)) in seeds.into_iter().enumerate() {
        let folder = root.join("fuzz/corpus").join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("seed-{index:04}")), bytes)?;
    }
    Ok(())
}
