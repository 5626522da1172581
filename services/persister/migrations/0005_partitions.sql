-- captures, slot_changes and device_events by time: retention drops partitions instead of deleting
-- rows. The persister makes partitions ahead (partitions.py); what lies in none of them goes into
-- `*_default`, so that nothing is refused. What was there becomes `*_before`, a partition of all
-- that came before tomorrow (slot_changes: next week), without being written again.
-- A partitioned table's keys contain its partition key: `time_ms` is part of an event's identity.
-- The writer sees to it that an id that comes again with another time keeps its first one.

alter table captures rename to captures_before;
alter table captures_before
    add column reused_from text,
    drop constraint captures_pkey,
    add primary key (frame_id, time_ms);
create table captures (
    frame_id       text   not null,
    time_ms        bigint not null,
    -- from the frame
    received_at_ms bigint,
    captured_at_ms bigint,
    recorded_at_ms bigint,
    width          bigint,
    height         bigint,
    size_bytes     bigint,
    kafka_partition bigint,
    kafka_offset   bigint,
    -- from its detection
    layout_version bigint,
    box_count      bigint,
    site_id        text   not null,
    camera_id      text   not null,
    status         text   not null default 'received'
        constraint captures_status_check check (status in ('received', 'analysed', 'skipped')),
    time_source    text,
    via            text,
    sha256         text,
    -- the frame whose result this one repeats: then all that follows lies there (capture_results)
    reused_from    text,
    model_id       text,
    health         jsonb,
    boxes          jsonb,
    observations   jsonb,
    timings_ms     jsonb,
    -- the newer frame that was analysed instead
    skipped_for    text,
    -- the stored picture, if it was kept
    object_key     text,
    object_sha256  text,
    primary key (frame_id, time_ms)
) partition by range (time_ms);
create index on captures (camera_id, time_ms desc);
create index on captures (time_ms);
create index on captures (object_key) where object_key is not null;

alter table slot_changes rename to slot_changes_before;
alter table slot_changes_before drop constraint slot_changes_pkey, add primary key (id, time_ms);
create table slot_changes (like slot_changes_before, primary key (id, time_ms))
    partition by range (time_ms);
create index on slot_changes (site_id, slot_id, time_ms desc);
create index on slot_changes (site_id, time_ms desc);
create index on slot_changes (time_ms desc, version desc);
create index on slot_changes (time_ms) where evidence_key is not null;
create index on slot_changes (evidence_key) where evidence_key is not null;

alter table device_events rename to device_events_before;
alter table device_events_before drop constraint device_events_pkey, add primary key (id, time_ms);
create table device_events (like device_events_before, primary key (id, time_ms))
    partition by range (time_ms);
create index on device_events (device_id, time_ms desc);
create index on device_events (time_ms);
create index on device_events (device_id, time_ms desc) where kind in ('online', 'offline');
create index on device_events (device_id, time_ms desc) where kind = 'telemetry';
create index on device_events (device_id, time_ms desc) where reason = 'replay';

create table captures_default partition of captures default;
create table slot_changes_default partition of slot_changes default;
create table device_events_default partition of device_events default;

-- Every device that ever told of itself: looked for among its events, each name would cost a search
-- in every partition.
create table devices (
    device_id text primary key,
    site_id   text not null
);
create index on devices (site_id);
insert into devices
    with recursive known as (
        select min(device_id) as device_id from device_events_before
        union all
        select (select min(device_id) from device_events_before where device_id > known.device_id)
        from known where known.device_id is not null
    )
    select device_id, split_part(device_id, '/', 1) from known where device_id is not null;

do $$
declare
    name    text;
    step_ms bigint;
    end_ms  bigint;
    filled  boolean;
    columns text;
begin
    for name, step_ms in values
        ('captures', 86400000), ('device_events', 86400000), ('slot_changes', 7 * 86400000)
    loop
        execute format('select exists (select from %I)', name || '_before') into filled;
        if not filled then
            execute format('drop table %I', name || '_before');
            continue;
        end if;
        end_ms := (floor(extract(epoch from now()) * 1000 / step_ms) + 1) * step_ms;
        select string_agg(quote_ident(attname), ', ') into columns
        from pg_attribute where attrelid = name::regclass and attnum > 0;
        -- From the future: a clock was wrong.
        execute format(
            'with moved as (delete from %I where time_ms >= %s returning %s) '
            'insert into %I (%s) select * from moved',
            name || '_before', end_ms, columns, name || '_default', columns);
        execute format(
            'alter table %I attach partition %I for values from (minvalue) to (%s)',
            name, name || '_before', end_ms);
    end loop;
end $$;

-- Each analysed frame with its result, also where that repeats an earlier one's.
create view capture_results as
    select c.frame_id, c.site_id, c.camera_id, c.time_ms, c.reused_from,
           coalesce(r.layout_version, c.layout_version) as layout_version,
           coalesce(r.model_id, c.model_id) as model_id,
           coalesce(r.health, c.health) as health,
           coalesce(r.box_count, c.box_count) as box_count,
           coalesce(r.boxes, c.boxes) as boxes,
           case when r.frame_id is null then c.observations else (
               select jsonb_agg(jsonb_set(o, '{since_ms}',
                   case when o->'since_ms' = 'null' then to_jsonb(r.time_ms) else o->'since_ms' end)
                   order by place)
               from jsonb_array_elements(r.observations) with ordinality as of (o, place)
           ) end as observations
    from captures c
    left join captures r on r.frame_id = c.reused_from and r.time_ms <= c.time_ms
    where c.status = 'analysed';
