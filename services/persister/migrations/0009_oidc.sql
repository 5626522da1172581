-- Accounts that sign in with an OpenID Connect provider: whom it means by its subject.
alter table accounts.accounts
    add column oidc_issuer  text,
    add column oidc_subject text,
    add unique (oidc_issuer, oidc_subject);
