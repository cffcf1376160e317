#!/usr/bin/env bash
# Palisade beside its peers on a laboratory of network namespaces: builds both, measures in turn, prints one table.
#
#   scripts/bench.sh                         every scenario, three runs each
#   scripts/bench.sh A-closed E-one -n 5     two of them, five runs
#   scripts/bench.sh --help                  scenarios, contenders, options
#
# Needs root, Linux, cargo, and these Debian packages: iproute2 nftables ethtool iputils-ping procps gcc libc6-dev python3.
# Peers that are installed take part: nmap masscan zmap (Debian), rustscan (cargo install rustscan). Services need
# openssh-server nginx redis-server openssl; names need nsd, and massdns or adns-tools. MASSDNS and RUSTSCAN may name a
# program elsewhere. Nothing leaves the machine: every packet stays between namespaces that have no way out.
set -euo pipefail
cd "$(dirname "$0")/.."

case " $* " in *" --help "* | *" -h "* | *" --list "*) exec python3 scripts/bench/main.py "$@" ;; esac

missing=()
for program in ip nft ethtool ping sysctl gcc python3 cargo; do
  command -v "$program" >/dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "bench: missing: ${missing[*]}; on Debian: apt-get install iproute2 nftables ethtool iputils-ping procps gcc libc6-dev python3" >&2
  exit 2
fi
if [ "$(id -u)" != 0 ]; then
  echo "bench: making network namespaces needs root" >&2
  exit 2
fi

built="${CARGO_TARGET_DIR:-target}/lab"
mkdir -p "$built"
for program in listen timed wire yardstick; do
  source="benches/lab/$program.c"
  if [ ! -x "$built/$program" ] || [ "$source" -nt "$built/$program" ] || [ benches/lab/inside.h -nt "$built/$program" ]; then
    gcc -O2 -Wall -Wextra -pthread -o "$built/$program" "$source"
  fi
done
# A binary named in PALISADE is measured as it is; otherwise the release build of this tree.
if [ -z "${PALISADE:-}" ]; then
  cargo build --release --locked --bin palisade
  PALISADE="${CARGO_TARGET_DIR:-target}/release/palisade"
fi
exec python3 scripts/bench/main.py --palisade "$PALISADE" --lab "$built" "$@"
