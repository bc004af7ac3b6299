-- The keys that access tokens are signed with. They are nobody's rows, so there is no row-level security to have: the
-- private half is sealed with a key that the database never sees (AES-256-GCM, the kid as associated data).
-- A key is published from the moment it is made, signs from signs_from to signs_until, and stays published until the
-- last token it signed has expired.
create table signing_keys (
    kid text primary key,                                 -- RFC 7638 thumbprint of the public key
    x text not null,                                      -- public point on P-256, base64url as in the JWKS
    y text not null,
    private_key bytea not null,                           -- nonce (12), tag (16), sealed PKCS #8
    sealed_with text not null,                            -- which key-encryption key; a wrong one is named, not guessed
    created_at timestamptz not null default now(),
    signs_from timestamptz not null,
    signs_until timestamptz not null,
    gone_at timestamptz not null,
    check (signs_from < signs_until and signs_until <= gone_at)
);

do $$
begin
    execute format('grant select, insert, delete on signing_keys to %I', service_role('app'));
    execute format('grant select on signing_keys to %I', service_role('backup'));
end
$$;
