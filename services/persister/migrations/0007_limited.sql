-- When a device last sent more than its share (device_events.reason 'rate'), for the fleet's list.
create index on device_events (device_id, time_ms desc) where reason = 'rate';
