-- NetFlow access: how the customer of a WHMCS service, of any module, gets into the flow collector's web page.
-- Empty texts are not set.
CREATE TABLE netflow (
    service_id BIGINT NOT NULL PRIMARY KEY,
    enabled INT NOT NULL,
    client_id BIGINT,
    -- NULL: netflow.default_url, whatever that is when asked.
    url TEXT,
    username VARCHAR(255) NOT NULL,
    -- NULL: none is stored.
    password_sealed BLOB,
    group_name VARCHAR(255) NOT NULL,
    ip_address VARCHAR(64) NOT NULL,
    -- For staff alone.
    notes TEXT NOT NULL,
    updated_at BIGINT NOT NULL
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;
