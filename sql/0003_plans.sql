-- Plans: what is sold, as staff wrote it.

-- terms is the plan's fields as JSON, under the names of the API. name_key is the name as it is looked up: in small letters,
-- with single blanks. It is unique, so that no two plans differ by that alone.
CREATE TABLE plan (
    id INTEGER NOT NULL PRIMARY KEY /*! AUTO_INCREMENT */,
    name VARCHAR(100) NOT NULL,
    name_key VARCHAR(300) NOT NULL UNIQUE,
    terms MEDIUMTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

-- Multipliers by day and hour. days: seven digits, Monday first. Minutes of the local day; NULL: the whole day.
-- plans: a JSON list of ids; empty is every plan.
CREATE TABLE bandwidth_rule (
    id INTEGER NOT NULL PRIMARY KEY /*! AUTO_INCREMENT */,
    name VARCHAR(100) NOT NULL,
    enabled INT NOT NULL,
    days CHAR(7) NOT NULL,
    from_minute INT,
    to_minute INT,
    plans TEXT NOT NULL,
    download_percent INT NOT NULL,
    upload_percent INT NOT NULL,
    priority INT NOT NULL,
    changed_at BIGINT NOT NULL
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;

-- How an administrator wants the list of plans sorted.
CREATE TABLE plan_order (
    admin VARCHAR(100) NOT NULL PRIMARY KEY,
    sort VARCHAR(16) NOT NULL,
    falling INT NOT NULL
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */;
