"""``python -m fsbench``: the command line; also what ``torchrun -m fsbench`` starts."""

from fsbench.cli.main import main

main()
