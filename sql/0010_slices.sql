-- A reading takes a router's accounts two thousand at a time, by service id: found in order, none is sorted, and what is
-- not in hand is not in memory. (InnoDB's `account_server` has the service id at its end already; SQLite's has not.)
CREATE INDEX account_slice ON account (server_id, state, service_id);
