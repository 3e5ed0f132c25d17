#!/usr/bin/env bash
# usage: test/bench/cold-start.sh SERVICES LINES COMMAND...
# Starts a proxy and prints how long it takes until kube-ipvs0 has SERVICES addresses and /proc/net/ip_vs LINES lines, then its memory
# and what of a processor it takes in half a minute with nothing to do. In a guest of scripts/vm, in which nothing was programmed before: what
# a deletion leaves in IPVS slows every addition for two minutes. So kube-ipvs and kube-proxy are compared, by turns.
set -euo pipefail
services=${1:?} lines=${2:?}
shift 2

processes() {
    echo "$proxy"
    pgrep -P "$proxy" || true
}

# KiB, of the largest process of the command: the first one of ours only waits.
memory() {
    local process
    for process in $(processes); do awk -v name="$1:" '$1 == name { print $2 }' "/proc/$process/status"; done | sort -n | tail -n 1
}

# Hundredths of a second, of all processes of the command.
processor() {
    local process
    for process in $(processes); do awk '{ print $14 + $15 }' "/proc/$process/stat"; done | awk '{ sum += $1 } END { print sum }'
}

has_all() {
    (($(wc -l </proc/net/ip_vs) >= lines)) && (($(ip -o address show dev kube-ipvs0 | wc -l) >= services))
}

modprobe -a ip_vs ip_vs_rr dummy
begin=$(date +%s%N)
"$@" >/tmp/cold-start.log 2>&1 &
proxy=$!
trap 'kill "$proxy"' EXIT
until has_all 2>/dev/null; do
    kill -0 "$proxy" 2>/dev/null || { cat /tmp/cold-start.log && exit 1; }
    sleep 1
done
end=$(date +%s%N)
sleep 30
before=$(processor)
sleep 30
after=$(processor)
echo "all there after $(((end - begin) / 1000000)) ms; $(($(memory VmRSS) / 1024)) MiB, $(($(memory VmHWM) / 1024)) MiB at most;" \
    "idle: $((after - before)) of 3000 hundredths of a second"
