-- How often an account was held to be changed, or a change of it was decided, and a plan was held for an account: locks are one
-- node's own, and of two nodes of a cluster who are at one account, or at one plan, whatever else they write, the second has to
-- meet the first in a row that both have written. Written in a cluster only.
ALTER TABLE standing ADD COLUMN held BIGINT NOT NULL DEFAULT 0;

ALTER TABLE plan ADD COLUMN held BIGINT NOT NULL DEFAULT 0;
