-- What a reading writes of an account becomes one row: balance, counter and the open day stand together in its standing.

-- The counter as it was booked last. ros_id is NULL where there is none.
ALTER TABLE standing ADD COLUMN ros_id VARCHAR(16);

ALTER TABLE standing ADD COLUMN down_bytes BIGINT NOT NULL DEFAULT 0;

ALTER TABLE standing ADD COLUMN up_bytes BIGINT NOT NULL DEFAULT 0;

ALTER TABLE standing ADD COLUMN down_packets BIGINT NOT NULL DEFAULT 0;

ALTER TABLE standing ADD COLUMN up_packets BIGINT NOT NULL DEFAULT 0;

ALTER TABLE standing ADD COLUMN booked_at BIGINT;

ALTER TABLE standing ADD COLUMN uptime_seconds BIGINT;

ALTER TABLE standing ADD COLUMN line_down_kbps BIGINT;

ALTER TABLE standing ADD COLUMN line_up_kbps BIGINT;

ALTER TABLE standing ADD COLUMN missing_since BIGINT;

-- Which of its router's readings wrote the counter. 0: none did, the row says all of it. Otherwise the router's row keeps
-- it current: read again since, unchanged, it was booked when the router was seen last; and it is zero if the router's
-- counters were reset at that reading or later (server.zeroed).
ALTER TABLE standing ADD COLUMN reading BIGINT NOT NULL DEFAULT 0;

-- The open day: what of it is in no other table yet. It is moved to history and ledger when the next day begins.
ALTER TABLE standing ADD COLUMN day CHAR(10);

ALTER TABLE standing ADD COLUMN day_down_bytes BIGINT NOT NULL DEFAULT 0;

ALTER TABLE standing ADD COLUMN day_up_bytes BIGINT NOT NULL DEFAULT 0;

ALTER TABLE standing ADD COLUMN day_counted_down_bytes BIGINT NOT NULL DEFAULT 0;

ALTER TABLE standing ADD COLUMN day_counted_up_bytes BIGINT NOT NULL DEFAULT 0;

ALTER TABLE standing ADD COLUMN day_charged_bytes BIGINT NOT NULL DEFAULT 0;

UPDATE standing SET
    ros_id = (SELECT c.ros_id FROM counter c WHERE c.service_id = standing.service_id),
    down_bytes = (SELECT c.down_bytes FROM counter c WHERE c.service_id = standing.service_id),
    up_bytes = (SELECT c.up_bytes FROM counter c WHERE c.service_id = standing.service_id),
    down_packets = (SELECT c.down_packets FROM counter c WHERE c.service_id = standing.service_id),
    up_packets = (SELECT c.up_packets FROM counter c WHERE c.service_id = standing.service_id),
    booked_at = (SELECT c.booked_at FROM counter c WHERE c.service_id = standing.service_id),
    uptime_seconds = (SELECT c.uptime_seconds FROM counter c WHERE c.service_id = standing.service_id),
    line_down_kbps = (SELECT c.line_down_kbps FROM counter c WHERE c.service_id = standing.service_id),
    line_up_kbps = (SELECT c.line_up_kbps FROM counter c WHERE c.service_id = standing.service_id),
    missing_since = (SELECT c.missing_since FROM counter c WHERE c.service_id = standing.service_id)
WHERE EXISTS (SELECT 1 FROM counter c WHERE c.service_id = standing.service_id);

DROP TABLE IF EXISTS counter;

CREATE INDEX standing_missing ON standing (missing_since);

-- How many readings of it were booked, and up to which of them every counter that a reading wrote was reset since.
ALTER TABLE server ADD COLUMN reading BIGINT NOT NULL DEFAULT 0;

ALTER TABLE server ADD COLUMN zeroed BIGINT NOT NULL DEFAULT 0;

-- A run of resets that was decided with the last reading and has not ended: of every counter that this reading found
-- moved, or of those alone that are collected at every cron run. What of a run has no known outcome is in reset_intent.
ALTER TABLE server ADD COLUMN reset_intended_at BIGINT;

ALTER TABLE server ADD COLUMN reset_cron INT NOT NULL DEFAULT 0;
