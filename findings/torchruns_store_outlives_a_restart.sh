#!/usr/bin/env bash
# torchrun: what workers put into the store of env:// is still there after --max-restarts has started them anew.
#
# Guess, written down first: every attempt has a store of its own, as a comment in torch/distributed/rendezvous.py says ("We
# create a new TCPStore for every retry so no need to add prefix for each attempt").
# Seen (torch 2.14.1): the store is the agent's (TORCHELASTIC_USE_AGENT_STORE=True), its port stays the same, and keys of the
# first attempt are found by the second. A barrier of one's own ("set done/rank, wait for all") is passed at once.
# Who is hurt: whoever coordinates workers through the store, to deal out work or to wait for rank 0: after a restart they
# read what dead processes said. A prefix with TORCHELASTIC_RESTART_COUNT mends it.
#
# Needs bash, Python 3.11 or newer and pip. Exits 0 while this holds, 1 when it has changed.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cat > "$here/worker.py" <<'PYTHON'
import os
import sys

import torch
import torch.distributed as dist

store, rank, _ = next(dist.rendezvous("env://"))
attempt = os.environ["TORCHELASTIC_RESTART_COUNT"]
if rank == 0:
    print(f"torch {torch.__version__}, attempt {attempt}: a key is there before anybody set one: {store.check(['ready'])}")
    store.set("ready", "yes")
store.wait(["ready"])
if attempt == "0" and rank == 1:
    sys.exit(3)  # torchrun starts both workers anew
PYTHON
OMP_NUM_THREADS=1 "$here/venv/bin/python" -m torch.distributed.run --standalone --nproc-per-node 2 --max-restarts 1 \
  "$here/worker.py" 2> "$here/log" | tee "$here/said"
grep -q "attempt 0: a key is there before anybody set one: False" "$here/said"
grep -q "attempt 1: a key is there before anybody set one: True" "$here/said"
