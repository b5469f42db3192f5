#!/bin/sh
# Starts PostgreSQL, MariaDB and an S3 server in a temporary folder and runs tests/source_servers.rs against them.
#
# Needs `postgres` and `initdb` (Debian: postgresql), `mariadbd` and `mariadb-install-db` (mariadb-server-core, mariadb-client) and
# moto's server (pip install 'moto[server]'; MOTO names it if it is not in PATH). What is missing is left out.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
chmod 755 "$work"
pids=""
stop() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    sleep 1
    rm -rf "$work"
}
trap stop EXIT INT TERM
# Databases refuse to run as root.
as() {
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid=nobody --regid=nogroup --clear-groups env HOME="$work" sh -c "$1"
    else
        exec sh -c "$1"
    fi
}
owner() { mkdir -p "$1"; if [ "$(id -u)" = 0 ]; then chown nobody "$1"; fi; }
tests=""

if command -v initdb >/dev/null; then
    owner "$work/pg"
    (as "initdb -D $work/pg/data -U me --auth=trust -E UTF8 --no-sync >/dev/null")
    as "exec postgres -D $work/pg/data -p 54399 -k $work/pg -c listen_addresses=127.0.0.1 -c fsync=off >$work/pg/log 2>&1" &
    pids="$pids $!"
    export SHUYUAN_TEST_POSTGRES="postgres://me:word@127.0.0.1:54399/postgres"
    tests="$tests postgres_is_read"
fi
if command -v mariadb-install-db >/dev/null; then
    owner "$work/my"
    (as "mariadb-install-db --no-defaults --datadir=$work/my/data --auth-root-authentication-method=normal --skip-test-db >$work/my/setup 2>&1")
    cat >"$work/my/init.sql" <<SQL
CREATE USER me@'127.0.0.1' IDENTIFIED BY 'word';
GRANT ALL ON *.* TO me@'127.0.0.1';
CREATE DATABASE test CHARACTER SET utf8mb4;
SQL
    chmod 644 "$work/my/init.sql"
    as "exec mariadbd --no-defaults --datadir=$work/my/data --port=33099 --bind-address=127.0.0.1 --skip-name-resolve --socket=$work/my/socket --init-file=$work/my/init.sql >$work/my/log 2>&1" &
    pids="$pids $!"
    export SHUYUAN_TEST_MYSQL="mysql://me:word@127.0.0.1:33099/test"
    tests="$tests mysql_is_read"
fi
moto=${MOTO:-moto_server}
if command -v "$moto" >/dev/null; then
    "$moto" -H 127.0.0.1 -p 45199 >"$work/moto" 2>&1 &
    pids="$pids $!"
    export SHUYUAN_TEST_S3="http://127.0.0.1:45199"
    tests="$tests a_bucket_is_read"
fi
sleep 6
echo "with servers for:$tests"
cargo test --release --features databases,s3 --test source_servers -- --ignored $tests
