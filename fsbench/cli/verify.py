"""``fsbench verify``: proves a benchmark against the raw data it was built from."""

from __future__ import annotations

from typing import Annotated

import typer

from fsbench.cli.options import BuiltBenchmark, Root

EXAMPLE = "Example: fsbench verify pascal-5i"


def verify(
    benchmark: BuiltBenchmark,
    root: Root = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Reading threads.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Re-read the raw data and prove a benchmark: sources, lists, masks, areas; exit 1 if a check fails."""
    import json
    from dataclasses import asdict

    from fsbench.benchmarks.verification import NAMED_FAULTS, verify_benchmark
    from fsbench.errors import CheckFailedError
    from fsbench.index.benchmark import open_benchmark

    checks = verify_benchmark(open_benchmark(benchmark, root=root), workers=workers)
    failed = [check for check in checks if not check.passed]
    if as_json:
        typer.echo(json.dumps({"passed": not failed, "checks": [asdict(check) for check in checks]}, indent=1))
    else:
        for check in checks:
            typer.echo(f"{'ok    ' if check.passed else 'FAILED'}  {check.name}: {check.said}")
            for fault in check.faults[NAMED_FAULTS:]:
                typer.echo(f"          {fault}")
    if failed:
        raise CheckFailedError(f"{benchmark}: {len(failed)} of {len(checks)} checks failed")
