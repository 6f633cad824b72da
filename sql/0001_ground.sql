-- The ground. One text for SQLite and MariaDB/MySQL; MySQL's extras stand in executable comments.
-- Instants are milliseconds since 1970 UTC, days are YYYY-MM-DD in the installation's zone, traffic is bytes.
-- Columns named *_sealed hold AES-256-GCM envelopes bound to the row.

-- A router as WHMCS's server record told of it.
CREATE TABLE server (
    id BIGINT NOT NULL PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    hostname VARCHAR(255) NOT NULL,
    address VARCHAR(255) NOT NULL,
    port INT NOT NULL,
    tls INT NOT NULL,
    username VARCHAR(255) NOT NULL,
    password_sealed BLOB NOT NULL,
    certificate_sha256 VARCHAR(128) NOT NULL,
    addresses MEDIUMTEXT NOT NULL,
    told_at BIGINT NOT NULL,
    -- What was seen of it last.
    seen_at BIGINT,
    uptime_seconds BIGINT,
    boot_epoch BIGINT NOT NULL,
    collected_at BIGINT,
    failed_at BIGINT,
    failure VARCHAR(512)
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

-- Who may do a thing of which only one may be doing it, and until when. The fence grows with each owner.
CREATE TABLE lease (
    name VARCHAR(96) NOT NULL PRIMARY KEY,
    owner VARCHAR(64) NOT NULL,
    fence BIGINT NOT NULL,
    until_at BIGINT NOT NULL
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

-- A WHMCS service of ours, as it was sold and as it stands.
CREATE TABLE account (
    service_id BIGINT NOT NULL PRIMARY KEY,
    server_id BIGINT NOT NULL,
    -- new (intended, not yet known to be on the router), made, gone
    state VARCHAR(8) NOT NULL,
    client_id BIGINT NOT NULL,
    product_id BIGINT NOT NULL,
    client_name VARCHAR(255) NOT NULL,
    email VARCHAR(255) NOT NULL,
    language VARCHAR(255) NOT NULL,
    status VARCHAR(255) NOT NULL,
    billing_cycle VARCHAR(255) NOT NULL,
    next_due_date VARCHAR(10),
    username VARCHAR(64) NOT NULL,
    password_sealed BLOB NOT NULL,
    address VARCHAR(15) NOT NULL,
    -- Settings in force.
    -- The plan it is on, and what the product itself says of the speed; NULL: nothing.
    plan_id BIGINT,
    own_down_kbps BIGINT,
    own_up_kbps BIGINT,
    profile VARCHAR(255) NOT NULL,
    ppp_service VARCHAR(8) NOT NULL,
    down_kbps BIGINT NOT NULL,
    up_kbps BIGINT NOT NULL,
    packet_bytes BIGINT,
    history_days INT NOT NULL,
    threshold_bytes BIGINT,
    threshold_template VARCHAR(255),
    suspension_template VARCHAR(255),
    instruction_url TEXT,
    support_pptp INT NOT NULL,
    support_l2tp INT NOT NULL,
    psk_sealed BLOB NOT NULL,
    collect_with VARCHAR(8) NOT NULL,
    comment_prefix VARCHAR(255) NOT NULL,
    -- Why it is off, but for the quota (see standing): each set and cleared only by its own event.
    cause_billing INT NOT NULL,
    cause_admin INT NOT NULL,
    billing_reason VARCHAR(255) NOT NULL,
    admin_reason VARCHAR(255) NOT NULL,
    -- What the client page last saw, and when.
    online INT,
    online_at BIGINT,
    created_at BIGINT NOT NULL,
    made_at BIGINT,
    ended_at BIGINT
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

CREATE INDEX account_server ON account (server_id, state);

CREATE INDEX account_plan ON account (plan_id);

CREATE INDEX account_username ON account (username);

-- Where an account's books stand. Written in batches, therefore apart from what was sold.
CREATE TABLE standing (
    service_id BIGINT NOT NULL PRIMARY KEY,
    -- The ledger's sum, kept beside it in the same transactions.
    balance_bytes BIGINT NOT NULL,
    -- Whether the balance has been above the threshold since the last threshold letter.
    threshold_armed INT NOT NULL,
    cause_quota INT NOT NULL,
    quota_at BIGINT,
    -- How many letters it has come to; makes each one's key.
    letters BIGINT NOT NULL
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

-- Addresses in use, unique per router: two creates cannot have the same one.
CREATE TABLE address (
    server_id BIGINT NOT NULL,
    address VARCHAR(15) NOT NULL,
    service_id BIGINT NOT NULL,
    taken_at BIGINT NOT NULL,
    PRIMARY KEY (server_id, address)
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

CREATE INDEX address_service ON address (service_id);

-- Where each account's counter stood when it was last booked.
CREATE TABLE counter (
    service_id BIGINT NOT NULL PRIMARY KEY,
    server_id BIGINT NOT NULL,
    ros_id VARCHAR(16) NOT NULL,
    down_bytes BIGINT NOT NULL,
    up_bytes BIGINT NOT NULL,
    down_packets BIGINT NOT NULL,
    up_packets BIGINT NOT NULL,
    booked_at BIGINT NOT NULL,
    -- The router's uptime when it was read, NULL where nobody asked. Less later: the counter began again with the router.
    uptime_seconds BIGINT,
    -- The highest speed that held since it was booked, where that may be more than the account's (0: unlimited).
    line_down_kbps BIGINT,
    line_up_kbps BIGINT,
    -- Since when the queue is not on the router although it should be.
    missing_since BIGINT
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

CREATE INDEX counter_server ON counter (server_id);

-- A reset that was decided: the counter stood at r1, which is booked. Open until the outcome is known.
CREATE TABLE reset_intent (
    service_id BIGINT NOT NULL PRIMARY KEY,
    server_id BIGINT NOT NULL,
    ros_id VARCHAR(16) NOT NULL,
    down_bytes BIGINT NOT NULL,
    up_bytes BIGINT NOT NULL,
    down_packets BIGINT NOT NULL,
    up_packets BIGINT NOT NULL,
    intended_at BIGINT NOT NULL
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

CREATE INDEX reset_intent_server ON reset_intent (server_id);

-- Append-only. kind: packet, top-up, usage, correction, expiry. A usage entry is one service's local day; while the day is
-- open it grows. once: what makes an entry unique for its service (a due date, a top-up's key, a day).
CREATE TABLE ledger (
    service_id BIGINT NOT NULL,
    kind VARCHAR(12) NOT NULL,
    once VARCHAR(160) NOT NULL,
    bytes BIGINT NOT NULL,
    note VARCHAR(255) NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (service_id, kind, once)
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

-- Days are kept as long as the product says; months for ever. Raw is what the router counted, counted is after discounts.
CREATE TABLE usage_day (
    service_id BIGINT NOT NULL,
    day CHAR(10) NOT NULL,
    down_bytes BIGINT NOT NULL,
    up_bytes BIGINT NOT NULL,
    counted_down_bytes BIGINT NOT NULL,
    counted_up_bytes BIGINT NOT NULL,
    PRIMARY KEY (service_id, day)
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

CREATE INDEX usage_day_day ON usage_day (day);

CREATE TABLE usage_month (
    service_id BIGINT NOT NULL,
    month CHAR(7) NOT NULL,
    down_bytes BIGINT NOT NULL,
    up_bytes BIGINT NOT NULL,
    counted_down_bytes BIGINT NOT NULL,
    counted_up_bytes BIGINT NOT NULL,
    PRIMARY KEY (service_id, month)
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

-- Deltas that cannot be true: kept from the customer until a person decides. state: waiting, accepted, dropped.
CREATE TABLE quarantine (
    id INTEGER NOT NULL PRIMARY KEY /*! AUTO_INCREMENT */,
    service_id BIGINT NOT NULL,
    server_id BIGINT NOT NULL,
    from_at BIGINT NOT NULL,
    to_at BIGINT NOT NULL,
    down_bytes BIGINT NOT NULL,
    up_bytes BIGINT NOT NULL,
    why VARCHAR(255) NOT NULL,
    state VARCHAR(10) NOT NULL,
    decided_at BIGINT
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

-- Router changes decided and not yet known to be made, in order. kind: enable, disable, change, password.
CREATE TABLE pending (
    service_id BIGINT NOT NULL,
    -- Grows within the service and is not used again: milliseconds, or one more than the last.
    id BIGINT NOT NULL,
    server_id BIGINT NOT NULL,
    kind VARCHAR(10) NOT NULL,
    kick INT NOT NULL,
    decided_at BIGINT NOT NULL,
    tries INT NOT NULL,
    tried_at BIGINT,
    failure VARCHAR(512),
    PRIMARY KEY (service_id, id)
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

CREATE INDEX pending_server ON pending (server_id, service_id);

-- Letters, from the transaction that decided them until they are sent. state: queued, sent, dead.
CREATE TABLE mail_outbox (
    id INTEGER NOT NULL PRIMARY KEY /*! AUTO_INCREMENT */,
    service_id BIGINT NOT NULL,
    purpose VARCHAR(16) NOT NULL,
    template VARCHAR(255) NOT NULL,
    to_name VARCHAR(255) NOT NULL,
    to_address VARCHAR(255) NOT NULL,
    -- JSON; holds no secret.
    variables TEXT NOT NULL,
    once VARCHAR(160) NOT NULL UNIQUE,
    state VARCHAR(8) NOT NULL,
    tries INT NOT NULL,
    due_at BIGINT NOT NULL,
    lease_owner VARCHAR(64),
    lease_until BIGINT,
    failure VARCHAR(512),
    queued_at BIGINT NOT NULL,
    sent_at BIGINT
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

CREATE INDEX mail_outbox_due ON mail_outbox (state, due_at);

-- Nonces seen, so that a restart does not forget them before they expire.
CREATE TABLE nonce (
    key_id VARCHAR(64) NOT NULL,
    nonce VARCHAR(64) NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, nonce)
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

CREATE INDEX nonce_expires ON nonce (expires_at);

-- One row a fact about the installation: its id, the last housekeeping day.
CREATE TABLE installation (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    value VARCHAR(255) NOT NULL
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;
