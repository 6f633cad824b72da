-- Figures of up to 64 accounts of a router in one row: what a reading writes of fifty thousand accounts is then written in a
-- few hundred rows. An account that is seated on a sheet has its balance, counter and open day there and not in its own row
-- of `standing`, until anybody but a reading changes it.
CREATE TABLE sheet (
    server_id BIGINT NOT NULL,
    -- Service ids from here to the next sheet's.
    first_id BIGINT NOT NULL,
    -- The first of the open days on it.
    first_day CHAR(10),
    -- How often an account was taken out: of two nodes of a cluster, one that takes out and one that writes meet here.
    taken_out BIGINT NOT NULL DEFAULT 0,
    -- By service id, 13 numbers of 8 bytes, big endian: service id, reading, balance (two's complement), the counter's four,
    -- the open day (days since 0000-12-31, or 0 for none), its page's five.
    figures /*! VARBINARY(7500) */ /*sqlite BLOB */ NOT NULL,
    PRIMARY KEY (server_id, first_id)
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

CREATE INDEX sheet_day ON sheet (first_day);

-- Days that are open in own rows: those that have ended are looked for every night.
CREATE INDEX standing_day ON standing (day);

ALTER TABLE standing ADD COLUMN seated SMALLINT NOT NULL DEFAULT 0;
