-- What a reading writes of an account stands in two cells and its number: rows of 50,000 accounts are then written in little
-- more than half the time.

-- The counter as it was booked last: bytes down, bytes up, packets down, packets up, 8 bytes each, big endian.
ALTER TABLE standing ADD COLUMN counter /*! VARBINARY(32) */ /*sqlite BLOB */;

-- The open day: bytes down and up, of them counted down and up, and charged, 8 bytes each, big endian. NULL: nothing.
ALTER TABLE standing ADD COLUMN page /*! VARBINARY(40) */ /*sqlite BLOB */;

UPDATE standing SET counter =
    /*! UNHEX(CONCAT(LPAD(HEX(down_bytes), 16, '0'), LPAD(HEX(up_bytes), 16, '0'),
                     LPAD(HEX(down_packets), 16, '0'), LPAD(HEX(up_packets), 16, '0'))) */
    /*sqlite unhex(printf('%016X%016X%016X%016X', down_bytes, up_bytes, down_packets, up_packets)) */
WHERE ros_id IS NOT NULL;

UPDATE standing SET page =
    /*! UNHEX(CONCAT(LPAD(HEX(day_down_bytes), 16, '0'), LPAD(HEX(day_up_bytes), 16, '0'),
                     LPAD(HEX(day_counted_down_bytes), 16, '0'), LPAD(HEX(day_counted_up_bytes), 16, '0'),
                     LPAD(HEX(day_charged_bytes), 16, '0'))) */
    /*sqlite unhex(printf('%016X%016X%016X%016X%016X', day_down_bytes, day_up_bytes, day_counted_down_bytes,
                          day_counted_up_bytes, day_charged_bytes)) */
WHERE day IS NOT NULL;

ALTER TABLE standing DROP COLUMN down_bytes;
ALTER TABLE standing DROP COLUMN up_bytes;
ALTER TABLE standing DROP COLUMN down_packets;
ALTER TABLE standing DROP COLUMN up_packets;
ALTER TABLE standing DROP COLUMN day_down_bytes;
ALTER TABLE standing DROP COLUMN day_up_bytes;
ALTER TABLE standing DROP COLUMN day_counted_down_bytes;
ALTER TABLE standing DROP COLUMN day_counted_up_bytes;
ALTER TABLE standing DROP COLUMN day_charged_bytes;
