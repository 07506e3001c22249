-- What a new Supabase project has: the roles behind its API keys, what they may do, and a schema cache that follows DDL.
\getenv authenticator_password AUTHENTICATOR_PASSWORD

create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit password :'authenticator_password';
grant anon, authenticated, service_role to authenticator;

-- Rights on tables are wide and row level security narrows them, as Supabase does it.
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;

create schema extensions;
create function extensions.tell_postgrest() returns event_trigger language plpgsql as $$
begin
  notify pgrst, 'reload schema';
end;
$$;
create event trigger tell_postgrest on ddl_command_end execute function extensions.tell_postgrest();
