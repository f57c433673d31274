#!/usr/bin/env bash
# Starts a Ray cluster on this machine, runs a sweep on it, and stops the cluster. All arguments go to `cpbench run`:
#   docs/cluster/one-machine.sh --methods dsc,clora --orders 5
set -euo pipefail
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN # keeps other users of this machine out of the cluster
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
port=$(python -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
ray start --head --port="$port" --include-dashboard=false --disable-usage-stats > /dev/null
trap 'ray stop > /dev/null' EXIT # stops all Ray processes of yours on this machine
cpbench run --executor ray --address "127.0.0.1:$port" "$@"
