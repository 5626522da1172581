-- What retention asks for, step by step: the oldest of each table.
create index on gate_events (time_ms);
create index on session_events (time_ms);
create index on sessions (updated_at_ms) where status in ('closed', 'corrected');
create index on slot_changes (time_ms);
