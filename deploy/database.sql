-- On the first start of the database: a role for the site that owns its database and nothing else. The superuser has
-- no password afterwards and can come in only from inside the container: docker compose exec db psql -U postgres
\getenv password OIG_DATABASE_PASSWORD
CREATE ROLE oig LOGIN PASSWORD :'password';
ALTER DATABASE oig OWNER TO oig;
ALTER ROLE postgres PASSWORD NULL;
