"""``fsbench list``: what there is to choose from."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

EXAMPLE = "Example: fsbench list protocols"


def list_(
    what: Annotated[
        Literal["models", "benchmarks", "protocols"], typer.Argument(help="models, benchmarks or protocols")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List registered models, benchmarks (registered and built), or protocols."""
    import json

    rows = {"models": _models, "benchmarks": _benchmarks, "protocols": _protocols}[what]()
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from fsbench.cli.console import wide_console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*(escape(value) for value in row.values()))
    wide_console().print(table)


def _models() -> list[dict[str, str]]:
    from fsbench.errors import FsbenchError
    from fsbench.models.registry import load_model, missing_argument
    from fsbench.plugins import load, registered

    def row(model: str, prompts: str, parameters: int | None, description: str) -> dict[str, str]:
        count = "?" if parameters is None else f"{parameters:,}"
        return {"model": model, "prompts": prompts, "parameters": count, "description": description}

    rows = []
    for name, point in registered("models").items():
        try:
            factory = load(point)
            if missing := missing_argument(factory):
                summary = (getattr(factory, "__doc__", None) or "").strip().partition("\n")[0].replace("``", "")
                rows.append(row(f"{name}:{missing}", "?", None, summary))
                continue
            card = load_model(name, {}).card
        except FsbenchError as error:
            rows.append(row(name, "?", None, f"not usable: {error}"))
        else:
            rows.append(row(name, card.prompts, card.total_parameters, card.description))
    rows.append(row("predictions:DIR", "none", None, "masks made by any program, one PNG per episode"))
    return sorted(rows, key=lambda r: r["model"].count(":"))


def _benchmarks() -> list[dict[str, str]]:
    from fsbench.home import built_benchmarks
    from fsbench.plugins import registered

    built = built_benchmarks()
    names = sorted({*registered("benchmarks"), *built})
    return [{"benchmark": name, "built in": str(built.get(name, f"- (fsbench build {name})"))} for name in names]


def _protocols() -> list[dict[str, str]]:
    from fsbench.episodes.protocols import ANY, PROTOCOLS, Rule

    def shots(rule: Rule) -> str:
        least, most = rule.least_shots, rule.most_shots
        return str(least) if least == most else f"{least} or more" if most is None else f"{least} to {most}"

    return [
        {
            "protocol": p.title,
            "defined for": ", ".join(name.replace(ANY, "any benchmark") for name in p.rules),
            "shots": ", ".join(dict.fromkeys(shots(rule) for rule in p.rules.values())),
            "empty class": {"drop": "left out", "zero": "counts 0"}[p.empty],
            "COCO masks": p.coco_masks if p.tiles is None else "-",
            "who": p.who,
            "what": p.about,
        }
        for p in PROTOCOLS.values()
    ]
