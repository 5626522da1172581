-- The newest changes of all sites, in the order of /api/history/changes.
create index on slot_changes (time_ms desc, version desc);
