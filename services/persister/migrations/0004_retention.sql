-- What retention asks for, step by step: the oldest of each table (slot_changes: 0003 has it).
create index on gate_events (time_ms);
create index on session_events (time_ms);
create index on sessions (updated_at_ms) where status in ('closed', 'corrected');
