#!/bin/bash
# Runs once, in an empty cluster: one database a service, owned by a role that only migrations use, and an app role
# that owns nothing. Passwords come from the environment and reach the server without passing a command line.
set -euo pipefail

# PUBLIC may connect to these by default; no service needs them.
psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
REVOKE CONNECT, TEMPORARY ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT, TEMPORARY ON DATABASE template1 FROM PUBLIC;
SQL

for service in gateway session billing render; do
  upper=${service^^}
  psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    -v service="$service" -v owner="${service}_owner" -v app="${service}_app" \
    -v owner_variable="${upper}_OWNER_PASSWORD" -v app_variable="${upper}_APP_PASSWORD" <<'SQL'
\getenv owner_password :owner_variable
\getenv app_password :app_variable
CREATE ROLE :"owner" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'owner_password';
CREATE ROLE :"app" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'app_password';
CREATE DATABASE :"service" OWNER :"owner";
-- PUBLIC may connect to a new database by default; one service has no business in another's.
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"service" TO :"app";
\connect :"service"
ALTER SCHEMA public OWNER TO :"owner";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO :"app";
-- What the owner creates in a migration, the app role may use, and nothing more.
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT USAGE ON SEQUENCES TO :"app";
SQL
done
