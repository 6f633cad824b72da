-- Trouble with routers and doubts about figures, kept so that every process and every page says the same of them.

-- Since when a router has not been read although it was tried, and how often in vain; and when its queues were last compared
-- with its sessions.
ALTER TABLE server ADD COLUMN failing_since BIGINT;
ALTER TABLE server ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
ALTER TABLE server ADD COLUMN watched_at BIGINT;

-- How often in a row the router refused a change although it was there.
ALTER TABLE pending ADD COLUMN refusals BIGINT NOT NULL DEFAULT 0;

-- Whose traffic it is: own, or that of a CDN queue.
ALTER TABLE quarantine ADD COLUMN counted_by VARCHAR(8) NOT NULL DEFAULT 'own';

-- What stands in doubt. kind: frozen (a session moves, its queue does not), clock (it was set). Ids are 0 where it is about none.
CREATE TABLE doubt (
    kind VARCHAR(16) NOT NULL,
    server_id BIGINT NOT NULL,
    service_id BIGINT NOT NULL,
    since_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    what VARCHAR(255) NOT NULL,
    PRIMARY KEY (kind, server_id, service_id)
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;
