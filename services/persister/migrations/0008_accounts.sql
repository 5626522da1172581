-- Who may sign in, in a schema of their own: the role that reads history has no right to it.
do $$ begin
    if not exists (select from pg_namespace where nspname = 'accounts') then
        create schema accounts;
    end if;
end $$;
create table accounts.accounts (
    name          text primary key,
    roles         jsonb  not null, -- {"SITE": "viewer"}; "*" stands for all sites
    password_hash text,            -- argon2id; null until an invitation is used
    created_at_ms bigint not null
);
create table accounts.sign_ins (
    token_hash    text primary key, -- SHA-256 of the cookie's 256 random bits
    account       text   not null references accounts.accounts on delete cascade,
    address       text   not null,
    created_at_ms bigint not null,
    seen_at_ms    bigint not null
);
create index on accounts.sign_ins (account, created_at_ms);
create index on accounts.sign_ins (seen_at_ms);
-- Invitations and password resets; each is used once.
create table accounts.links (
    token_hash    text primary key,
    account       text   not null references accounts.accounts on delete cascade,
    expires_at_ms bigint not null
);
create index on accounts.links (account);
create table accounts.audit (
    id      bigint generated always as identity primary key,
    time_ms bigint not null,
    who     text   not null,
    what    text   not null,
    site_id text,
    target  text   not null,
    address text   not null
);
create index on accounts.audit (time_ms);
