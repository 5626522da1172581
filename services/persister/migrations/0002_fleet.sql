-- What the page of devices asks for: each device's last status and last replay, rare among telemetry.
create index on device_events (device_id, time_ms desc) where kind in ('online', 'offline');
create index on device_events (device_id, time_ms desc) where kind = 'telemetry';
create index on device_events (device_id, time_ms desc) where reason = 'replay';
