#!/usr/bin/env bash
# Reads INSTANCES machines (default 10000) over 20 regions from a moto server on loopback, and beside it the plain boto3
# loop: time and calls, without delay and with 100 ms a call.
#
#   scripts/bench-aws.sh                  10000 machines, this tree's debug build
#   PROFILE=--release scripts/bench-aws.sh 2000
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" && exit 0 ;; esac
cd "$(dirname "$0")/.."
PALISADE_BENCH_AWS="${1:-10000}" cargo test ${PROFILE:-} --test main -- connector::live::aws_bench --nocapture
