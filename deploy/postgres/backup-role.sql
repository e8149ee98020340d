-- A role that may dump the four databases and change nothing: as a superuser,
--   psql -v password="$BACKUP_PASSWORD" -f deploy/postgres/backup-role.sql
-- The owners' roles cannot dump `gateway`, whose stories hide their rows from everybody whose store they are not.
CREATE ROLE backup LOGIN BYPASSRLS PASSWORD :'password';
GRANT pg_read_all_data TO backup;
GRANT CONNECT ON DATABASE gateway, session, billing, render TO backup;
