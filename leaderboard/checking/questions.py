"""Whether the benchmark is the one it says, and was asked what its protocol asks: drawn anew, not believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache

from fsbench.episodes.manifest import Manifest
from fsbench.index.published import published_lists
from fsbench.plugins import registered
from fsbench.records.counts import BACKGROUND, Row
from leaderboard.checking.submission import NotCheckableError, Submission


def check_benchmark(sub: Submission) -> Iterator[str]:
    """Lists, class names, folds, masks and whether it is whole."""
    said, published = sub.record.benchmark, sub.published
    if said.present > said.total:
        yield f"{said.present} of {said.total} samples are present"
    if not said.partial and said.present != said.total:
        yield f"is said to be whole, but {said.present} of {said.total} samples are present"
    if published is not None and published.digest() != said.lists_sha256:
        yield f"lists are {said.lists_sha256[:12]}…, but the published lists of {said.name} {published.digest()[:12]}…"
        return
    if published is None:
        claimed = " ".join(said.title.partition("[partial")[0].casefold().split())
        name = _published_names().get(claimed, said.name)
        if name != said.name:
            yield f"title is that of {name}, but the benchmark is named {said.name}"
    lists = sub.lists
    title = f"{lists.title} [partial {said.present}/{said.total}]" if said.partial else lists.title
    samples = len({sample for pairs in lists.val.values() for sample, _ in pairs})
    for what, is_said, expected in (
        ("title", said.title, title),
        ("partition", said.partition, lists.partition),
        ("mask rule", said.mask_rule, lists.mask_rule),
        ("class names", said.class_names_sha256, lists.names_digest()),
        ("folds", said.folds, tuple(lists.folds)),
    ):
        if is_said != expected:
            yield f"{what} is {str(is_said)[:80]!r}, expected {str(expected)[:80]!r}"
    if said.total < samples:  # more are samples of the val split in which no listed class is
        yield f"total is {said.total}, but {samples} samples are in its val lists"
    found = sub.local
    if found is None:
        return
    if not said.partial and not found.partial and found.digests.masks != said.masks_sha256:
        yield f"masks are {said.masks_sha256[:12]}…, but those of {found.folder} {found.digests.masks[:12]}…"
    if found.digests.masks == said.masks_sha256:
        here = (found.partial, found.counts["val_present"], found.counts["val_total"])
        if here != (said.partial, said.present, said.total):
            there = f"{here[1]} of {here[2]}"
            yield f"present {said.present} of {said.total}, but {there} have these masks ({found.folder})"


@cache
def _published_names() -> dict[str, str]:
    """Title or name, in lower case -> the name of a benchmark whose lists are published."""
    found = [published_lists(name) for name in registered("benchmarks")]
    return {said: lists.name for lists in found if lists is not None for said in (lists.title.casefold(), lists.name)}


def check_questions(sub: Submission) -> Iterator[str]:
    """The manifests are those of protocol, shots, seed and run."""
    sub.need("benchmark", "record")
    record = sub.record
    if record.benchmark.partial and sub.local is None:
        raise NotCheckableError(
            f"of a part of {record.benchmark.name}, which is not available locally: build it, or give it with -b"
        )
    for fold, full in sub.drawn().items():
        manifest = full.limited(record.limit)
        digest, said = record.manifests_sha256.get(fold, "none"), record.folds.get(fold)
        if digest != manifest.sha256:
            yield f"fold {fold}: manifest is {digest[:12]}…, but {manifest.sha256[:12]}… is drawn anew"
        elif said is not None and (said.asked, said.drawn) != (len(manifest.questions), manifest.drawn):
            there = f"{len(manifest.questions)} of {manifest.drawn}"
            yield f"fold {fold}: {said.asked} asked of {said.drawn} drawn, expected {there}"


def check_episodes(sub: Submission) -> Iterator[str]:
    """Every episode is once in the counts, with the query and the class that were asked."""
    manifests = sub.manifests_or_none
    for fold, rows in sub.rows.items():
        asked = [row for row in rows if sub.one_class or row.class_id == BACKGROUND]
        yield from _numbers(fold, asked, sub.record.folds[fold].asked)
        if not sub.one_class:
            yield from _one_row_per_class(fold, rows)
        if manifests is not None:
            yield from _as_asked(fold, rows, manifests[fold], sub.one_class)
        else:
            for row in rows:
                if sub.one_class and row.class_id not in sub.classes[fold]:
                    yield f"fold {fold} episode {row.number}: class {row.class_id} is not one of the fold's"


def _numbers(fold: str, asked: list[Row], number: int) -> Iterator[str]:
    numbers = [row.number for row in asked]
    if len(numbers) == number and sorted(numbers) == list(range(number)):
        if numbers != sorted(numbers):
            yield f"fold {fold}: episodes are not in the manifest's order"
        return
    times = Counter(numbers)
    for episode in range(number):
        if times[episode] != 1:
            yield f"fold {fold} episode {episode}: is {times[episode]} times in the counts, expected once"
    for episode in sorted(n for n in times if n >= number):
        yield f"fold {fold} episode {episode}: is in the counts, but only {number} were asked"


def _one_row_per_class(fold: str, rows: list[Row]) -> Iterator[str]:
    """Where classes are asked together: rows of one episode stand together, each class once."""
    times = Counter((row.number, row.class_id) for row in rows)
    for (number, class_id), n in times.items():
        if n > 1:
            yield f"fold {fold} episode {number}: class {class_id} is {n} times in the counts"
    whole = {row.number for row in rows if row.class_id == BACKGROUND}
    for number in sorted({row.number for row in rows} - whole):
        yield f"fold {fold} episode {number}: has no row of the background"


def _as_asked(fold: str, rows: list[Row], manifest: Manifest, one_class: bool) -> Iterator[str]:
    for row in rows:
        if row.number >= len(manifest.questions):
            continue
        question = manifest.questions[row.number]
        where = f"fold {fold} episode {row.number}"
        if row.query != question.query:
            yield f"{where}: query is {row.query[:80]}, but {question.query} was asked"
        elif row.image != question.image:
            yield f"{where}: image is {row.image[:80]}, expected {question.image}"
        if row.class_id not in question.class_ids and (one_class or row.class_id != BACKGROUND):
            yield f"{where}: class is {row.class_id}, but {', '.join(map(str, question.class_ids[:5]))} was asked"
        if row.scene is not None and row.absent != question.absent:
            yield f"{where}: its class is said to be {'absent' if row.absent else 'there'}, which it is not"
