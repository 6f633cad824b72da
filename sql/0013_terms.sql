-- Terms that change between two readings: what was moved before is not charged by what came after.

-- A renewal took away what was left, or an unmetered account became metered, at that instant: of what its next reading finds
-- moved before it, so many bytes are charged nothing. NULL: no such change since it was read last.
ALTER TABLE standing ADD COLUMN cut_at BIGINT;

ALTER TABLE standing ADD COLUMN cut_bytes BIGINT;

-- The most that a balance pays for it if it is accepted: what it would have paid when it was put aside.
ALTER TABLE quarantine ADD COLUMN payable_bytes BIGINT NOT NULL DEFAULT 0;

-- What waits already pays as before: all of it, as things stand when it is accepted.
UPDATE quarantine SET payable_bytes = CASE WHEN down_bytes > 9223372036854775807 - up_bytes THEN 9223372036854775807
    ELSE down_bytes + up_bytes END WHERE state = 'waiting' AND counted_by = 'own';

-- One that goes on is found by its service.
CREATE INDEX quarantine_service ON quarantine (service_id);
