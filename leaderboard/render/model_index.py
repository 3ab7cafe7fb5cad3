"""The front matter of a Hugging Face model card: a model's scores as ``model-index``, written by huggingface_hub.

Form: https://github.com/huggingface/hub-docs/blob/main/modelcard.md. Scores are fractions, as the hub's metrics are.
The hub sets ``verified`` itself, so it is never written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from leaderboard.boards import PARTIAL, Board, Row, Score
from leaderboard.render.cells import SCORE_HEADS
from leaderboard.text import visible, web_link

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

LICENCES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"),
    *("cc-by-nc-sa-4.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "unlicense"),
)
"""Ids that the hub takes; another licence is left for the author to say."""

INTERVAL = "95 % bootstrap over query images, given supports, weights and classes"

TASKS = {
    "text": "Zero-shot segmentation from class names",
    "mask": "Few-shot segmentation from masked support images",
    "both": "Few-shot segmentation from class names and masked support images",
    "none": "Segmentation without a prompt",
}


def model_index(rows: Sequence[tuple[Board, Row]]) -> str:
    """One result a board, for one model; ``rows``: its boards and rows, at least one."""
    from huggingface_hub import ModelCardData

    model = rows[0][1].record.model
    results = [result for board, row in rows for result in _results(board, row)]
    licence = model.licence.lower()
    data = ModelCardData(
        model_name=model.name,
        license=licence if licence in LICENCES else None,
        pipeline_tag="image-segmentation",
        tags=["few-shot-segmentation", "fsbench"],
        eval_results=results,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _results(board: Board, row: Row) -> list[EvalResult]:
    from huggingface_hub import EvalResult

    record = row.record
    link = web_link(record.model.url)
    asked = f"{board.protocol_title}, {board.shots}-shot"
    why = [f"({visible(reason)})" for reason in (*board.off, *row.marks) if reason != PARTIAL]  # in the title
    name = " ".join([f"{board.benchmark.title}, {asked}", *why])
    asked_args: dict[str, Any] = {
        "protocol": board.protocol.id,
        "shots": board.shots,
        "seed": board.seed,
        "evidence": record.evidence,
    }
    for key, reasons in (("no_main_board", board.off), ("marks", row.marks)):
        asked_args |= {key: list(map(visible, reasons))} if reasons else {}
    scores = {f"mIoU, fold {fold}": ("mean_iou", score) for fold, score in row.folds.items() if len(board.folds) > 1}
    scores |= {"mIoU": ("mean_iou", row.miou), "FB-IoU": ("fb_iou", row.fb_iou)}
    scores |= {
        visible(SCORE_HEADS.get(other, other).replace("\n", " ")): (other, score) for other, score in row.other.items()
    }
    return [
        EvalResult(
            task_type="image-segmentation",
            task_name=TASKS[record.model.prompts],
            dataset_type=board.benchmark.name,
            dataset_name=name,
            dataset_config=f"{asked}, seed {board.seed}",
            dataset_split="val" if len(board.folds) > 1 else visible(board.folds[0]),
            dataset_revision=board.key,
            dataset_args=asked_args,
            metric_type=kind,
            metric_name=metric,
            metric_value=score.score,
            metric_args=_metric_args(score),
            source_name=visible(record.model.name) if link else None,
            source_url=link,
        )
        for metric, (kind, score) in scores.items()
        if score.score is not None
    ]


def _metric_args(score: Score) -> dict[str, Any] | None:
    if score.deviation is not None:
        return {"std_over_runs": score.deviation}
    return None if score.ci95 is None else {"ci95": list(score.ci95), "interval": INTERVAL}
