#!/usr/bin/env bash
# Bulk name resolution side by side: NSD with 100,000 names on the loopback of a network namespace without a way out,
# our resolver and whichever others are installed (dnsperf as the limit, massdns, adnshost, dig). One name in ten does
# not exist. As root: scripts/bench-names.sh [RUNS]. Needs nsd and python3 (Debian: nsd dnsperf adns-tools dnsutils time).
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-3}; count=${NAMES:-100000}; ns=pal-names-$$
need() { command -v "$1" >/dev/null || { echo "bench-names: skipped, needs $1" >&2; exit 0; }; }
[ "$(id -u)" = 0 ] || { echo "bench-names: skipped, needs root for a network namespace" >&2; exit 0; }
need nsd; need python3; need ip
ours=${OURS:-$(cargo build --release --bench names --message-format=json 2>/dev/null |
  python3 -c 'import json,sys
for l in sys.stdin:
    m=json.loads(l)
    if m.get("executable") and m["target"]["name"]=="names": print(m["executable"])')}
dir=$(mktemp -d); server=
trap '[ -n "$server" ] && kill $server; ip netns del $ns; rm -rf "$dir"' EXIT
ip netns add $ns; ip -n $ns link set lo up
python3 - "$dir" "$count" <<'PY'
import sys
d, n = sys.argv[1], int(sys.argv[2])
z = open(f'{d}/zone', 'w'); q = open(f'{d}/names', 'w'); p = open(f'{d}/perf', 'w')
z.write('$ORIGIN lab.example.\n$TTL 300\n@ SOA ns. host. 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\n')
for i in range(n):
    if i % 10: z.write(f'h{i:06d} A 198.18.{i >> 8 & 255}.{i & 255}\n')
    q.write(f'h{i:06d}.lab.example\n'); p.write(f'h{i:06d}.lab.example A\n')
PY
printf 'server:\n  ip-address: 127.0.0.1\n  port: 53\n  server-count: 1\n  username: ""\n  zonesdir: "%s"\n  zonelistfile: "%s/list"\n  xfrdfile: "%s/xfrd"\n  pidfile: "%s/pid"\n  database: ""\n  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\nzone:\n  name: lab.example\n  zonefile: zone\n' "$dir" "$dir" "$dir" "$dir" > "$dir/nsd.conf"
last=$(($(nproc) - 1))
ip netns exec $ns taskset -c $last nsd -d -c "$dir/nsd.conf" > "$dir/log" 2>&1 & server=$!
inside() { ip netns exec $ns "$@"; }
ready() { inside python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(.2); s.connect(("127.0.0.1", 53))
s.send(b"\0\1\0\0\0\1\0\0\0\0\0\0\7h000001\3lab\7example\0\0\1\0\1"); s.recv(512)' 2>/dev/null; }
for _ in $(seq 100); do ready && break; sleep .1; done
show() { # label, names, command that counts the answers in $dir/out, program ...
  local label=$1 n=$2 counted=$3 i; shift 3
  command -v "$1" >/dev/null || { echo "$label: not installed"; return; }
  for i in $(seq "$runs"); do
    inside /usr/bin/time -f '%e %U %S %M' -o "$dir/time" timeout 120 "$@" > "$dir/out" 2> "$dir/err" < /dev/null || true
    tail -1 "$dir/time" | awk -v l="$label" -v n="$n" -v c="$(dir=$dir sh -c "$counted")" \
      '{printf "%-34s %6.2f s  %7.0f names/s  cpu %5.2f s  %4.0f MB  answered %s\n", l, $1, n/$1, $2+$3, $4/1024, c}'
  done
}
head -5000 "$dir/names" > "$dir/names5k"; echo 127.0.0.1 > "$dir/resolvers"
show "dnsperf, 100 in flight (limit)" "$count" 'awk "/Queries completed/{print \$3}" $dir/out' dnsperf -s 127.0.0.1 -d "$dir/perf" -n 1 -q 100
show "ours, IPv4" "$count" 'cat $dir/out' "$ours" 127.0.0.1:53 "$dir/names"
show "ours, IPv4, 1000 in flight" "$count" 'cat $dir/out' "$ours" 127.0.0.1:53 "$dir/names" 1000
show "ours, IPv4 and IPv6" "$count" 'cat $dir/out' "$ours" 127.0.0.1:53 "$dir/names" 500 both
show "massdns -s 1000" "$count" 'grep -c " A 198" $dir/out' massdns --root -q -r "$dir/resolvers" -t A -o S -s 1000 "$dir/names"
show "adnshost -a -f" "$count" 'grep -c 198.18 $dir/out' sh -c "adnshost --config 'nameserver 127.0.0.1' -a -f -t a < $dir/names"
show "dig -f, 5,000 names" 5000 'grep -c ^198 $dir/out' dig @127.0.0.1 +short +time=2 -f "$dir/names5k"
