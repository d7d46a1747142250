-- The password of the services' roles, which is not the superuser's. The image of the database runs
-- this once, when it makes a new one (compose.yaml).
\set password `printf %s "$SERVICES_PASSWORD"`
alter role authenticator password :'password';
alter role supabase_auth_admin password :'password';
alter role supabase_storage_admin password :'password';
