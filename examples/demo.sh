#!/bin/sh
# A three-node cluster, an application on it, and requests by every road. Needs nothing but minik on the PATH.
set -eu
cd "$(dirname "$0")"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
# Thirty requests in the client pod for a URL that answers with the name of its pod; prints who answered how often.
from_pod() {
    minik exec client -- sh -c "for i in \$(seq 30); do curl -sS --max-time 5 $1; done" | tally
}
tally() { sort | uniq -c; }

say "minik up --nodes 3"
minik up --nodes 3
trap 'say "minik down"; minik down' EXIT

say "minik apply -f examples/quickstart"
minik apply -f quickstart
minik wait deployment/my-app --for Available
minik wait pod/client --for Ready

say "From a pod, by the Service's DNS name: http://my-internal-service"
from_pod http://my-internal-service/hostname

say "From a pod, by the Service's ClusterIP (out of the pod's environment)"
from_pod 'http://$MY_INTERNAL_SERVICE_SERVICE_HOST:$MY_INTERNAL_SERVICE_SERVICE_PORT/hostname'

say "From this machine, by the NodePort: http://127.0.0.1:30007"
for _ in $(seq 30); do
    python3 -c 'import urllib.request as r; print(r.urlopen("http://127.0.0.1:30007/hostname", timeout=5).read().decode(), end="")'
done | tally
