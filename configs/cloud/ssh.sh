#!/bin/bash
# A job on machines that SSH reaches, each with git and, as `python`, an environment with the packages of requirements.txt:
#
#   apparel cloud prepare sweep -- --storage grpc://10.0.0.5:13000    # prints the address of the job's folder
#   bash configs/cloud/ssh.sh gs://BUCKET/apparel/jobs/NAME me@10.0.0.6 me@10.0.0.7
#   apparel cloud fetch gs://BUCKET/apparel/jobs/NAME
#
# The exit status is that of the last machine that failed.
set -uo pipefail
if [ $# -lt 2 ]; then
  echo "usage: bash configs/cloud/ssh.sh ADDRESS HOST..., the address that apparel cloud prepare prints" >&2
  exit 2
fi
job=$1
shift
hosts=("$@")
start="import sys, fsspec; exec(fsspec.open(sys.argv[1] + '/start.py').open().read().decode())"
processes=()
for rank in "${!hosts[@]}"; do
  variables="APPAREL_RANK=$rank APPAREL_MACHINES=${#hosts[@]} APPAREL_ADDRESSES=$(printf '%q' "${hosts[*]#*@}")"
  ssh -o BatchMode=yes "${hosts[$rank]}" "$variables python -c $(printf '%q' "$start") $(printf '%q' "$job")" \
    2>&1 | sed --unbuffered "s/^/${hosts[$rank]}: /" &
  processes+=($!)
done
status=0
for process in "${processes[@]}"; do
  wait "$process" || status=$?
done
exit "$status"
