-- What an account on a plan has used, counted, and where that has brought it: a row for each account that was ever on one.
CREATE TABLE fair_use (
    service_id BIGINT NOT NULL PRIMARY KEY,
    -- When the day's counters began: the last daily reset, by the clock or paid for.
    day_began_at BIGINT NOT NULL,
    -- When the cycle's counters began, and the due date whose renewal began it.
    cycle_began_at BIGINT NOT NULL,
    cycle_due CHAR(10),
    daily_down_bytes BIGINT NOT NULL,
    daily_up_bytes BIGINT NOT NULL,
    monthly_down_bytes BIGINT NOT NULL,
    monthly_up_bytes BIGINT NOT NULL,
    online_seconds BIGINT NOT NULL,
    cdn_daily_bytes BIGINT NOT NULL,
    cdn_monthly_bytes BIGINT NOT NULL,
    -- Given on top for this cycle.
    bonus_bytes BIGINT NOT NULL,
    -- What staff settled for this subscriber alone; NULL: as sold.
    staff_down_kbps BIGINT,
    staff_up_kbps BIGINT,
    staff_price VARCHAR(32),
    -- The last verdict. full_quota: daily, monthly, time. why: full, daily-1 … monthly-6, quota.
    daily_level INT NOT NULL,
    monthly_level INT NOT NULL,
    full_quota VARCHAR(8),
    why VARCHAR(12) NOT NULL,
    -- The bandwidth rule in force, if any.
    rule_id BIGINT,
    -- What the queue is to be set to.
    down_kbps BIGINT NOT NULL,
    up_kbps BIGINT NOT NULL,
    burst_down_kbps BIGINT NOT NULL,
    burst_up_kbps BIGINT NOT NULL,
    burst_threshold_down_kbps BIGINT NOT NULL,
    burst_threshold_up_kbps BIGINT NOT NULL,
    burst_seconds INT NOT NULL,
    cdn_daily_level INT NOT NULL,
    cdn_monthly_level INT NOT NULL,
    cdn_down_kbps BIGINT,
    cdn_up_kbps BIGINT,
    decided_at BIGINT NOT NULL,
    -- What the customer was last told by letter, and on which local day: slowed, restored.
    told VARCHAR(8),
    told_day CHAR(10),
    -- The level that it knows of, day's or cycle's, whichever is higher.
    told_level INT NOT NULL
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

-- What people did to it, once per key: reset-daily, reset-cycle, bonus, override.
CREATE TABLE fair_use_event (
    service_id BIGINT NOT NULL,
    kind VARCHAR(12) NOT NULL,
    once VARCHAR(128) NOT NULL,
    bytes BIGINT NOT NULL,
    note VARCHAR(255) NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (service_id, kind, once)
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

-- The letters of plans; NULL: none.
ALTER TABLE account ADD COLUMN slowed_template VARCHAR(255);

ALTER TABLE account ADD COLUMN restored_template VARCHAR(255);

CREATE INDEX account_on_plan ON account (server_id, plan_id, state);
