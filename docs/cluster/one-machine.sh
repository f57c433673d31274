#!/usr/bin/env bash
# A Ray cluster of this machine, a sweep on it, and its end. All arguments go to `cpbench run`:
#   docs/cluster/one-machine.sh --methods dsc,clora --orders 5
set -euo pipefail
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN # others of this machine may not use the cluster
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
port=$(python -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
ray start --head --port="$port" --include-dashboard=false --disable-usage-stats > /dev/null
trap 'ray stop > /dev/null' EXIT # of every Ray process of yours on this machine
cpbench run --executor ray --address "127.0.0.1:$port" "$@"
