-- Plates of vehicles, encrypted with their site's key, of sites that keep them: apart from all else,
-- so that they can go early. Which stay one is of, its site, gate and time tell.
create table plates (
    id        text primary key, -- the gate event's
    site_id   text   not null,
    gate_id   text   not null,
    direction text   not null,
    time_ms   bigint not null,
    sealed    text   not null
);
create index on plates (site_id, time_ms);
create index on plates (time_ms);
