#!/usr/bin/env bash
# Reads INSTANCES machines (default 10000) over 20 regions from a moto server on loopback, and beside it the plain boto3
# loop: time and calls, without delay and with 100 ms a call. PROFILE=--release for figures of a release build.
set -euo pipefail
cd "$(dirname "$0")/.."
PALISADE_BENCH_AWS="${1:-10000}" cargo test ${PROFILE:-} --test main -- connector::live::aws_bench --nocapture
