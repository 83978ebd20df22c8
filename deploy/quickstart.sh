#!/usr/bin/env bash
# A whole cluster on this machine, on embedded defaults: manager (SQLite), scheduler, one seed and two
# peers on loopback. Fetches a file through peer 1, then through peer 2, and shows where the bytes came
# from.
#
#   deploy/quickstart.sh          the file is 1 GiB at an origin started here
#   deploy/quickstart.sh URL      the file is at URL
#   deploy/quickstart.sh stop     ends everything this script started
#
# On a bare Debian 12, as root or with sudo, it first installs what it needs and builds.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
run=${DRAGONFLY_QUICKSTART_DIR:-$root/build/quickstart}
bin=$root/build/release/bin
origin_port=21080
# Each daemon has a block of ten ports; the last digit is that of the default port.
declare -A base=([seed]=21400 [peer1]=21410 [peer2]=21420)

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# ---- starting and stopping by process id ---------------------------------------------------------

alive() { [ -f "$run/$1.pid" ] && kill -0 "$(cat "$run/$1.pid")" 2>/dev/null; }

start() { # name command...
  local name=$1
  shift
  alive "$name" && return
  mkdir -p "$run/$name"
  setsid "$@" >"$run/$name/console.log" 2>&1 </dev/null &
  echo $! >"$run/$name.pid"
}

stop_all() {
  local name pid
  # In the reverse order of starting.
  for name in peer2 peer1 seed scheduler manager origin; do
    if alive "$name"; then
      pid=$(cat "$run/$name.pid")
      kill "$pid"
      for _ in $(seq 300); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
      done
      if kill -0 "$pid" 2>/dev/null; then kill -9 "$pid"; fi
      echo "stopped $name"
    fi
    rm -f "$run/$name.pid"
  done
}

wait_until() { # name what command...
  local name=$1 what=$2
  shift 2
  for _ in $(seq 600); do
    "$@" >/dev/null 2>&1 && return
    if ! alive "$name"; then
      echo "quickstart: $name ended while starting; its log:" >&2
      tail -20 "$run/$name/console.log" >&2
      exit 1
    fi
    sleep 0.05
  done
  echo "quickstart: waited 30 s for $what; see $run/$name/console.log" >&2
  exit 1
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The sum of a metric's samples whose labels contain TEXT.
metric() { # port name [text]
  curl -sf "http://127.0.0.1:$1/metrics" |
    awk -v name="$2" -v text="${3:-}" '
      ($0 ~ "^" name "[{ ]") && (text == "" || index($0, text)) { sum += $NF }
      END { printf "%.0f", sum }'
}

# ---- configuration -------------------------------------------------------------------------------

write_manager() {
  mkdir -p "$run/manager"
  cat >"$run/manager/manager.yaml" <<YAML
server:
  grpc:
    listenIP: 127.0.0.1
    advertiseIP: 127.0.0.1
    port: { start: 21003, end: 21003 }
  rest: { addr: "127.0.0.1:21808" }
  logDir: $run/manager/log
  cacheDir: $run/manager/cache
database:
  type: sqlite
  sqlite: { path: $run/manager/manager.db }
metrics: { enable: true, addr: "127.0.0.1:21800" }
YAML
}

write_scheduler() {
  mkdir -p "$run/scheduler"
  cat >"$run/scheduler/scheduler.yaml" <<YAML
server:
  listenIP: 127.0.0.1
  advertiseIP: 127.0.0.1
  port: 21802
  advertisePort: 21802
  host: quickstart
  logDir: $run/scheduler/log
  cacheDir: $run/scheduler/cache
manager:
  addr: 127.0.0.1:21003
  schedulerClusterID: 1
  keepAlive: { interval: 1s }
metrics: { enable: true, addr: "127.0.0.1:21801" }
YAML
}

write_dfdaemon() { # name
  local name=$1 port=${base[$1]}
  mkdir -p "$run/$name"
  cat >"$run/$name/dfdaemon.yaml" <<YAML
host: { hostname: quickstart-$name, ip: 127.0.0.1, schedulerClusterID: 1 }
server: { cacheDir: $run/$name/cache, pluginDir: $run/$name/plugins }
manager: { addr: "http://127.0.0.1:21003" }
dynconfig: { refreshInterval: 2s }
download: { server: { socketPath: $run/$name/dfdaemon.sock } }
upload: { server: { ip: 127.0.0.1, port: $port } }
proxy:
  server: { ip: 127.0.0.1, port: $((port + 1)) }
  rules: [{ regex: "blobs/sha256.*" }]
metrics: { server: { ip: 127.0.0.1, port: $((port + 2)) } }
health: { server: { ip: 127.0.0.1, port: $((port + 3)) } }
stats: { server: { ip: 127.0.0.1, port: $((port + 4)) } }
storage:
  dir: $run/$name/storage
  keep: true
  server: { ip: 127.0.0.1, tcpPort: $((port + 5)), quicPort: $((port + 6)) }
YAML
  if [ "$name" = seed ]; then
    printf 'seedPeer: { enable: true, type: super }\n' >>"$run/$name/dfdaemon.yaml"
  fi
}

# ---- the origin ----------------------------------------------------------------------------------

start_origin() {
  local dir=$run/origin
  mkdir -p "$dir/content" "$dir/tmp"
  if [ ! -f "$dir/content/model.bin.sha256" ]; then
    say "Making a file of 1 GiB"
    # Incompressible and the same every time: a cipher's key stream.
    openssl enc -aes-128-ctr -nosalt -pass pass:dragonfly -pbkdf2 </dev/zero 2>/dev/null |
      head -c 1073741824 >"$dir/content/model.bin" || true
    sha256sum "$dir/content/model.bin" | cut -d' ' -f1 >"$dir/content/model.bin.sha256"
  fi
  cat >"$dir/nginx.conf" <<NGINX
daemon off;
user $(id -un);
worker_processes 1;
error_log $dir/error.log warn;
pid $dir/nginx.pid;
events { worker_connections 256; }
http {
  log_format bytes '\$uri \$status \$body_bytes_sent';
  access_log $dir/access.log bytes;
  client_body_temp_path $dir/tmp; proxy_temp_path $dir/tmp; fastcgi_temp_path $dir/tmp;
  uwsgi_temp_path $dir/tmp; scgi_temp_path $dir/tmp;
  sendfile on;
  server { listen 127.0.0.1:$origin_port; root $dir/content; }
}
NGINX
  start origin "$(command -v nginx || echo /usr/sbin/nginx)" -p "$dir" -c "$dir/nginx.conf" -e "$dir/error.log"
  wait_until origin "the origin" port_open "$origin_port"
}

origin_bytes() {
  awk '{ sum += $3 } END { printf "%.0f", sum }' "$run/origin/access.log" 2>/dev/null || echo 0
}

# ---- main ----------------------------------------------------------------------------------------

url=
case "${1:-}" in
  stop)
    stop_all
    exit 0
    ;;
  -h | --help)
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
    exit 0
    ;;
  '') ;;
  http://* | https://*) url=$1 ;;
  *)
    echo "usage: $0 [URL | stop]" >&2
    exit 2
    ;;
esac

say "Setting up"
"$root/deploy/setup.sh" quickstart
(cd "$root" && cmake --preset release >/dev/null &&
  cmake --build --preset release --target manager scheduler dfdaemon dfget -- -j "$(nproc)")

mkdir -p "$run/downloads"
digest=
if [ -z "$url" ]; then
  start_origin
  # A second run fetches a new task: the number in the query makes the URL another one.
  runs=$(($(cat "$run/runs" 2>/dev/null || echo 0) + 1))
  echo "$runs" >"$run/runs"
  url="http://127.0.0.1:$origin_port/model.bin?run=$runs"
  digest=$(cat "$run/origin/content/model.bin.sha256")
fi

say "Starting manager, scheduler, seed and two peers"
write_manager
start manager "$bin/manager" --config "$run/manager/manager.yaml" --console
wait_until manager "the manager" port_open 21003
write_scheduler
start scheduler "$bin/scheduler" --config "$run/scheduler/scheduler.yaml" --console
wait_until scheduler "the scheduler" port_open 21802
for name in seed peer1 peer2; do
  write_dfdaemon "$name"
  start "$name" "$bin/dfdaemon" --config "$run/$name/dfdaemon.yaml" \
    --log-dir "$run/$name/log" --console
done
for name in seed peer1 peer2; do
  wait_until "$name" "$name" curl -sf "http://127.0.0.1:$((${base[$name]} + 3))/healthy"
done
announced() { [ "$(metric 21801 dragonfly_scheduler_announce_host_total)" -ge 3 ]; }
wait_until scheduler "seed and peers to be announced" announced

declare -A before
snapshot() {
  local name port
  before[origin]=$(origin_bytes)
  for name in seed peer1 peer2; do
    port=$((${base[$name]} + 2))
    before[$name.source]=$(metric "$port" dragonfly_client_download_traffic BACK_TO_SOURCE)
    before[$name.remote]=$(metric "$port" dragonfly_client_download_traffic REMOTE_PEER)
    before[$name.upload]=$(metric "$port" dragonfly_client_upload_traffic)
  done
}

mib() { awk -v bytes="$1" 'BEGIN { printf "%.1f MiB", bytes / 1048576 }'; }

rows=()
fetch() { # peer
  local peer=$1 output=$run/downloads/$1 started seconds got source seed others name port up
  snapshot
  rm -f "$output"
  say "dfget through $peer"
  started=$(date +%s.%N)
  "$bin/dfget" --endpoint "$run/$peer/dfdaemon.sock" "$url" --output "$output"
  seconds=$(awk -v a="$started" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f", b - a }')
  got=$(sha256sum "$output" | cut -d' ' -f1)
  digest=${digest:-$got}
  if [ "$got" != "$digest" ]; then
    echo "quickstart: $output has SHA-256 $got, expected $digest" >&2
    exit 1
  fi
  for name in seed peer1 peer2; do
    port=$((${base[$name]} + 2))
    source=$(($(metric "$port" dragonfly_client_download_traffic BACK_TO_SOURCE) - before[$name.source]))
    if [ "$name" = "$peer" ] || [ "$name" = seed ]; then
      others=$(($(metric "$port" dragonfly_client_download_traffic REMOTE_PEER) - before[$name.remote]))
      seed=0
      if [ "$name" = "$peer" ]; then
        up=$(metric "$((${base[seed]} + 2))" dragonfly_client_upload_traffic)
        seed=$((up - before[seed.upload]))
        others=$((others - seed))
      fi
      rows+=("$(printf '%-18s %-7s %14s %14s %14s %9s' "through $peer" "$name" \
        "$(mib "$source")" "$(mib "$seed")" "$(mib "$others")" \
        "$([ "$name" = "$peer" ] && echo "$seconds" || echo -)")")
    fi
  done
  rows+=("$(printf '%-18s %-7s %14s' "" "origin" "$(mib "$(($(origin_bytes) - before[origin]))") sent")")
}

fetch peer1
fetch peer2

say "Where the bytes came from (SHA-256 of both files: $digest)"
printf '%-18s %-7s %14s %14s %14s %9s\n' download daemon "from origin" "from seed" "from peers" seconds
printf '%s\n' "${rows[@]}"

cat <<TEXT

The cluster is running. To use it:

  fetch a file      $bin/dfget --endpoint $run/peer1/dfdaemon.sock URL --output /tmp/FILE
  containerd        /etc/containerd/certs.d/docker.io/hosts.toml:
                      server = "https://registry-1.docker.io"
                      [host."http://127.0.0.1:$((${base[peer1]} + 1))"]
                        capabilities = ["pull", "resolve"]
                        [host."http://127.0.0.1:$((${base[peer1]} + 1))".header]
                          X-Dragonfly-Registry = ["https://registry-1.docker.io"]
  metrics           http://127.0.0.1:21800/metrics (manager)   http://127.0.0.1:21801/metrics (scheduler)
                    http://127.0.0.1:21402/metrics (seed)      http://127.0.0.1:21412/metrics (peer 1)
  logs              $run/{manager,scheduler,seed,peer1,peer2}/
  stop              deploy/quickstart.sh stop
TEXT
