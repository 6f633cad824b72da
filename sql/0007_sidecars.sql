-- Several sidecars on one database.

-- Grows with every word of the lease's holder: in a cluster only a row that was changed is compared with others' changes.
ALTER TABLE lease ADD COLUMN beats BIGINT NOT NULL DEFAULT 0;

-- Which process used the nonce; NULL: not known any more.
ALTER TABLE nonce ADD COLUMN owner VARCHAR(64);
