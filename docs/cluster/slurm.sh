#!/usr/bin/env bash
# A template for a Slurm job that starts a Ray cluster on its nodes and runs a sweep on it. Change the lines marked with
# <-, then submit it:
#   sbatch docs/cluster/slurm.sh --methods dsc,clora --orders 5 --seeds 3
# Shortly before the time limit of the job, the run stops after a unit (exit status 75), and the job puts itself back in
# the queue. It then continues where it stopped. Units must be stored on a file system that all nodes share.
#SBATCH --job-name=cpbench
#SBATCH --nodes=2               # <-
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16      # <-
#SBATCH --gpus-per-node=4       # <-
#SBATCH --time=12:00:00         # <-
#SBATCH --requeue
set -euo pipefail
export CPBENCH_HOME=${CPBENCH_HOME:-$HOME/cpbench} # <- on the shared file system
results=${RESULTS:-$SLURM_SUBMIT_DIR/runs}         # <- also shared
hours=11.5                                         # <- slightly less than --time
# source "$HOME/venv/bin/activate"                 # <- the environment with cpbench[ray]

export RAY_AUTH_MODE=token RAY_AUTH_TOKEN # keeps other users of these nodes out of the cluster
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address="$head:6379"
step=(srun --overlap --ntasks-per-node=1)
"${step[@]}" --nodes=1 --nodelist="$head" ray start --head --port=6379 --include-dashboard=false --block &
for ((tries = 0; tries < 60; tries++)); do
  ray status --address "$address" > /dev/null 2>&1 && break
  sleep 2
done
if ((tries == 60)); then
  echo "no Ray head node answered at $address; see the output of 'ray start' above, then submit the job again." >&2
  exit 1
fi
if ((SLURM_JOB_NUM_NODES > 1)); then
  "${step[@]}" --nodes=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$head" ray start --address "$address" --block &
fi

status=0
cpbench run --executor ray --address "$address" --max-hours "$hours" --out "$results" "$@" || status=$?
if ((status == 75)); then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
