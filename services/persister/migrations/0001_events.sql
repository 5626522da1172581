-- What the persister writes. Times are Unix milliseconds (bigint), as in every event; for people:
--   select at(time_ms), * from slot_changes order by time_ms desc limit 20;
create function at(ms bigint) returns timestamptz
    language sql immutable strict parallel safe
    return to_timestamp(ms / 1000.0);

-- Where each partition goes on. Kept with the rows, in their transaction, and keyed by what a wiped
-- or recreated topic does not have again. `generation` is the consumer group's: the fence.
create table kafka_offsets (
    cluster_id  text   not null,
    topic_id    uuid   not null,
    partition   bigint not null,
    topic       text   not null,
    next_offset bigint not null,
    generation  bigint not null,
    updated_at  timestamptz not null default now(),
    primary key (cluster_id, topic_id, partition)
);

-- ------------------------------------------------------------------ what is there
create table sites (
    site_id text primary key,
    name    text
);

create table zones (
    site_id text not null references sites,
    zone_id text not null,
    name    text not null,
    primary key (site_id, zone_id)
);

-- Every layout ever published. Versions count within one log: a recreated topic begins again at 1.
create table layouts (
    log_id    text   not null,
    camera_id text   not null,
    version   bigint not null,
    site_id   text   not null references sites,
    time_ms   bigint not null,
    body      jsonb  not null,
    primary key (log_id, camera_id, version)
);

create table cameras (
    camera_id        text primary key,
    site_id          text not null references sites,
    name             text,
    interval_ms      bigint,
    layout_log_id    text,
    layout_version   bigint not null default 0,
    status           text,
    status_reason    text,
    status_log_id    text,
    status_version   bigint not null default 0,
    status_at_ms     bigint,
    health           text,
    last_frame_at_ms bigint
);
create index on cameras (site_id);

create view current_layouts as
    select l.site_id, l.camera_id, l.version, l.time_ms, l.body
    from cameras c join layouts l
        on l.log_id = c.layout_log_id and l.camera_id = c.camera_id and l.version = c.layout_version;

-- The latest of each slot: what it is by the newest layouts, its state by the highest version.
create table slots (
    site_id       text not null references sites,
    slot_id       text not null,
    zone_id       text not null,
    kind          text not null default 'standard',
    plan          jsonb,
    enabled       boolean not null default true,
    state         text not null default 'unknown',
    state_log_id  text,
    version       bigint not null default 0,
    changed_at_ms bigint,
    confidence    double precision,
    reason        text,
    change_id     text,
    primary key (site_id, slot_id)
);

-- ------------------------------------------------------------------ what happened
-- One row a frame that ingest accepted: received, then analysed or skipped. Frames and detections
-- come in any order; columns of the part that has not come yet are null.
create table captures (
    frame_id       text primary key,
    site_id        text   not null,
    camera_id      text   not null,
    time_ms        bigint not null,
    status         text   not null default 'received'
        check (status in ('received', 'analysed', 'skipped')),
    -- from the frame
    received_at_ms bigint,
    captured_at_ms bigint,
    recorded_at_ms bigint,
    time_source    text,
    via            text,
    width          bigint,
    height         bigint,
    size_bytes     bigint,
    sha256         text,
    kafka_partition bigint,
    kafka_offset   bigint,
    -- from its detection
    layout_version bigint,
    model_id       text,
    health         jsonb,
    box_count      bigint,
    boxes          jsonb,
    observations   jsonb,
    timings_ms     jsonb,
    -- the newer frame that was analysed instead
    skipped_for    text,
    -- the stored picture, if it was kept
    object_key     text,
    object_sha256  text
);
create index on captures (camera_id, time_ms desc);
create index on captures (site_id, time_ms desc);
create index on captures (time_ms);
create index on captures (object_key) where object_key is not null;

create table slot_changes (
    id              text primary key,
    run             text   not null,
    site_id         text   not null,
    slot_id         text   not null,
    zone_id         text   not null,
    time_ms         bigint not null,
    from_state      text   not null,
    to_state        text   not null,
    version         bigint not null,
    dwell_ms        bigint,
    confidence      double precision not null,
    reason          text   not null,
    cause_kind      text   not null,
    cause_id        text   not null,
    camera_id       text,
    frame_id        text,
    kafka_partition bigint,
    kafka_offset    bigint,
    -- The picture that caused it. `evidence_sha256` is the stored object's, `frame_sha256` the
    -- frame's as ingest saw it. A change caused by a frame has either a key or the reason for none.
    evidence_key     text,
    evidence_sha256  text,
    frame_sha256     text,
    evidence_missing text
);
create index on slot_changes (site_id, slot_id, time_ms desc);
create index on slot_changes (site_id, time_ms desc);
create index on slot_changes (time_ms) where evidence_key is not null;
create index on slot_changes (evidence_key) where evidence_key is not null;

create table session_events (
    id         text primary key,
    session_id text   not null,
    run        text   not null,
    site_id    text   not null,
    time_ms    bigint not null,
    kind       text   not null,
    body       jsonb  not null
);
create index on session_events (session_id, time_ms);

-- Each stay as its events in order leave it: open, overstay, closed or corrected.
create table sessions (
    session_id    text   not null,
    run           text   not null,
    site_id       text   not null,
    status        text   not null,
    entry_at_ms   bigint,
    exit_at_ms    bigint,
    dwell_ms      bigint,
    entry_gate_id text,
    exit_gate_id  text,
    plate_hash    text,
    reason        text,
    updated_at_ms bigint not null,
    primary key (run, session_id)
);
create index on sessions (site_id, entry_at_ms desc);
create index on sessions (site_id) where status in ('open', 'overstay');

create table gate_events (
    id          text primary key,
    site_id     text   not null,
    device_id   text   not null,
    gate_id     text   not null,
    direction   text   not null,
    time_ms     bigint not null,
    time_source text   not null,
    time_reason text,
    via         text   not null,
    boot_id     bigint,
    seq         bigint,
    plate_hash  text
);
create index on gate_events (site_id, time_ms desc);

create table device_events (
    id         text primary key,
    site_id    text   not null,
    device_id  text   not null,
    time_ms    bigint not null,
    kind       text   not null,
    boot_id    bigint,
    connection bigint,
    telemetry  jsonb,
    reason     text
);
create index on device_events (device_id, time_ms desc);
create index on device_events (time_ms);

-- ------------------------------------------------------------------ the object store
-- Every key that may exist there, noted before its object is put. A key that no row names an hour
-- later (a crash after the put, a picture past its time) is removed by the sweep, object first.
create table objects (
    key         text primary key,
    noted_at_ms bigint not null
);
create index on objects (noted_at_ms);
