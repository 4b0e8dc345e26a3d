#!/bin/bash
# A job on a cluster with Slurm, in an environment with the packages of requirements.txt, and git:
#
#   apparel cloud prepare train --bucket file:///scratch/apparel      # or gs://, s3://
#   sbatch --export=ALL,APPAREL_JOB=file:///scratch/apparel/jobs/NAME configs/cloud/slurm.sh
#   apparel cloud fetch file:///scratch/apparel/jobs/NAME
#
# More nodes are for `prepare sweep`, a worker on each, and `prepare train`, see docs/cloud.md.
#SBATCH --job-name=apparel
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=0
set -euo pipefail
: "${APPAREL_JOB:?has to be the address that apparel cloud prepare prints}"
export APPAREL_MACHINES="$SLURM_JOB_NUM_NODES"
APPAREL_ADDRESSES="$(scontrol show hostnames "$SLURM_JOB_NODELIST")"
export APPAREL_ADDRESSES
export START="import sys, fsspec; exec(fsspec.open(sys.argv[1] + '/start.py').open().read().decode())"
# shellcheck disable=SC2016 # each task has a number of its own
srun bash -c 'APPAREL_RANK="$SLURM_PROCID" exec python -c "$START" "$APPAREL_JOB"'
