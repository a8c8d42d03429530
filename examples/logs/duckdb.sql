-- The report's main sums over gigabytes of logs, and over Parquet, with DuckDB (https://duckdb.org).
--   duckdb -c "SET VARIABLE logs = 'app.log*'" -f duckdb.sql
-- Lines as pino writes them, or as Docker (`log`), journald (`MESSAGE`), Loki (`line`) or CloudWatch (`message`) keep them. What
-- is no JSON is passed over. `npx fastify-read-guard report` reads more kinds, and tells forged records better.

-- A line of the logger's own has a level: texts in it may be a client's, and are no lines.
CREATE OR REPLACE VIEW lines AS
SELECT CASE WHEN (line -> '$.level') IS NOT NULL THEN line ELSE coalesce(
  try_cast(coalesce((line ->> '$.log'), (line ->> '$.MESSAGE'), (line ->> '$.line'), (line ->> '$.message')) AS JSON),
  line
) END AS line
FROM (
  SELECT try_cast(column0 AS JSON) AS line
  FROM read_csv(getvariable('logs'), columns = { 'column0': 'VARCHAR' }, delim = chr(31), quote = '', escape = '', header = false, max_line_size = 1048576, ignore_errors = true)
)
WHERE line IS NOT NULL;

-- A record is one where the guard's own message stands beside it: what clients made an application log does not count.
CREATE OR REPLACE TABLE aborts AS
SELECT
  (line ->> '$.abort.code') AS code,
  (line ->> '$.abort.reason') AS reason,
  (line ->> '$.abort.phase') AS phase,
  (line ->> '$.abort.blame') AS blame,
  coalesce((line ->> '$.abort.route'), '(not routed)') AS route,
  coalesce((line ->> '$.abort.ip'), (line ->> '$.abort.remoteAddress'), '(unknown)') AS client,
  CAST((line ->> '$.abort.received') AS DOUBLE) AS received,
  CAST((line ->> '$.abort.expected') AS DOUBLE) AS expected,
  CAST((line ->> '$.abort.sent') AS DOUBLE) AS sent,
  CAST((line ->> '$.abort.limit') AS DOUBLE) AS "limit",
  CAST((line ->> '$.abort.elapsed') AS DOUBLE) AS elapsed,
  CAST((line ->> '$.abort.idle') AS DOUBLE) AS idle,
  CAST((line ->> '$.abort.rate') AS DOUBLE) AS rate,
  CAST((line ->> '$.abort.observed') AS BOOLEAN) AS observed,
  CAST((line ->> '$.abort.time') AS TIMESTAMPTZ) AS time
FROM lines
WHERE coalesce((line ->> '$.msg'), (line ->> '$.message')) IN ('request read aborted', 'request read would have been aborted')
  AND (line ->> '$.abort.code') LIKE 'FST_READ_%';

-- By route and reason, as the report has it.
CREATE OR REPLACE VIEW sums AS
SELECT observed, route, reason, count(*) AS reads, sum(received) AS received, sum(expected) AS expected,
  median(received / nullif(expected, 0)) AS share, median(elapsed) AS elapsed, quantile_cont(elapsed, 0.95) AS elapsed_p95, median(rate) AS rate
FROM aborts GROUP BY ALL ORDER BY reads DESC;

-- The busiest clients.
CREATE OR REPLACE VIEW clients AS
SELECT client, count(*) AS reads, count(*) FILTER (blame = 'client_slow') AS slow, count(*) FILTER (blame = 'client_gone') AS gone, count(*) FILTER (blame = 'client_invalid') AS invalid
FROM aborts WHERE NOT observed GROUP BY ALL ORDER BY reads DESC;

-- How long handlers had worked when their clients left.
CREATE OR REPLACE VIEW gone AS
SELECT route, phase, count(*) AS reads, median(elapsed) AS elapsed, max(elapsed) AS longest, median(sent) AS sent
FROM aborts WHERE blame = 'client_gone' AND phase IN ('handler', 'response') GROUP BY ALL ORDER BY reads DESC;

-- Requests that were completed, an hour.
CREATE OR REPLACE VIEW requests AS
SELECT time_bucket(INTERVAL 1 hour, make_timestamp(CAST((line ->> '$.time') AS BIGINT) * 1000)) AS hour, count(*) AS completed
FROM lines WHERE (line ->> '$.msg') = 'request completed' GROUP BY ALL ORDER BY hour;

-- To keep them: COPY aborts TO 'aborts.parquet'; later: CREATE TABLE aborts AS FROM 'aborts.parquet';
FROM sums;
