-- CDN profiles: the subnets whose traffic a plan counts and limits apart.

-- subnets: IPv4 prefixes, one a line, as they are kept on routers.
CREATE TABLE cdn_profile (
    id INTEGER NOT NULL PRIMARY KEY /*! AUTO_INCREMENT */,
    name VARCHAR(100) NOT NULL UNIQUE,
    subnets MEDIUMTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

-- The last booked reading of an account's CDN queue. It is never reset by this program.
CREATE TABLE cdn_counter (
    service_id BIGINT NOT NULL PRIMARY KEY,
    server_id BIGINT NOT NULL,
    ros_id VARCHAR(32) NOT NULL,
    down_bytes BIGINT NOT NULL,
    up_bytes BIGINT NOT NULL,
    down_packets BIGINT NOT NULL,
    up_packets BIGINT NOT NULL,
    uptime_seconds BIGINT NOT NULL,
    booked_at BIGINT NOT NULL
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;
CREATE INDEX cdn_counter_server ON cdn_counter (server_id);

-- Which firewall lists and rules of a router may hold something of ours. lists: a JSON list of address list names, on disk
-- before the router hears of them. digest: of what was wanted when router and books were last seen to agree; NULL: not yet.
CREATE TABLE router_marking (
    server_id BIGINT NOT NULL PRIMARY KEY,
    lists MEDIUMTEXT NOT NULL,
    digest CHAR(64),
    agreed_at BIGINT
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;
