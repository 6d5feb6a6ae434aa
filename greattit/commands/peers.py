"""`greattit evaluate peers`: our crop calls beside those of well-known methods, on the same splits, as a page."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from greattit.commands.shared import Json, Refuse

Figures = Mapping[str, Any]

TITLES = {
    "ours": "Great Tit",
    "ours_alone": "Great Tit, no neighbours",
    "majority": "always the commonest",
    "forest": "random forest",
    "lightgbm": "LightGBM",
    "minirocket": "MiniRocket + ridge",
    "tempcnn": "TempCNN",
}
STATISTICS = {"accuracy": "accuracy", "macro_f1": "macro F1", "accuracy_80": "accuracy of the surest 80 %"}
FEW_PLACES = 10
"""places below which an interval over places says little"""
LICENCES = {
    "canada-2017": (
        "labels Open Government Licence - Canada; values Copernicus",
        "Agriculture and Agri-Food Canada, Annual Crop Inventory Ground Truth Data 2017; Van Tricht et al. 2023, "
        "WorldCereal, Earth Syst. Sci. Data 15, 5491; contains modified Copernicus Sentinel data",
    ),
    "denmark-2016": (
        "MIT",
        "DrMoe/Evaluation-of-satellite-imagery-based-crop-classification; Danish field register 2016; contains "
        "modified Copernicus Sentinel data",
    ),
    "india-2022": (
        "CC-BY-4.0",
        "Radiant Earth Foundation and IDinsight (2022), AgriFieldNet Competition Dataset, doi:10.34911/rdnt.wu92p1",
    ),
    "korea-2021": (
        "MIT (authenticity not proven)",
        "massijjeong/Parcel-Level-SITS-Crop-Classification; contains modified Copernicus Sentinel data",
    ),
    "central-asia": (
        "CC BY-SA 4.0",
        "Remelgado et al. 2020, A crop type dataset for consistent land cover classification in Central Asia, "
        "Scientific Data 7:250; Tseng et al. 2021, CropHarvest",
    ),
    "brazil-modis-2015": ("GPL-2", "e-sensing/sits; Picoli et al. 2018, ISPRS J. 145:328 (PANGAEA 899706)"),
    "brazil-modis-mt": ("GPL-2", "e-sensing/sits; Picoli et al. 2018, ISPRS J. 145:328 (PANGAEA 899706)"),
    "brazil-cbers-2018": ("GPL-2", "e-sensing/in-situ; Brazil Data Cube (INPE)"),
    "brazil-s2-rondonia": (
        "GPL-2",
        "e-sensing/in-situ; Brazil Data Cube (INPE); contains modified Copernicus Sentinel data",
    ),
    "vietnam-rice-points": (
        "none (terms of the EY Open Science Data Challenge 2023); only figures are shown",
        "EY Open Science Data Challenge 2023, by way of LeoArtaza/EY-Data-Challenge-2023; contains modified Copernicus "
        "Sentinel data",
    ),
}
"""set -> licence of its labels, whom to cite"""


def evaluate_peers(
    datasets: Annotated[list[Path], typer.Argument(help="Folders with samples.parquet and series.parquet.")],
    out: Annotated[Path, typer.Option(help="Page to write; figures (.json) and pictures lie beside it.")] = Path(
        "docs/benchmarks.md"
    ),
    as_json: Json = False,
    skip: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Leave out: majority, forest, lightgbm, minirocket, tempcnn."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same figures.")] = 0,
    keep: Annotated[
        Path | None, typer.Option(help="Folder for the calls of the peers, which are used again where they fit.")
    ] = None,
) -> None:
    """Measure our crop calls beside those of well-known methods on the same splits, and write the page.

    The page is written again after each set; sets that are not named keep the figures of an earlier run.
    """
    with Refuse():
        from greattit.crops import dataset, peers
        from greattit.errors import GreatTitError

        unknown = sorted(set(skip or ()) - set(peers.PEERS))
        if unknown:
            raise GreatTitError(
                "is no peer", subject=", ".join(unknown), remedy=f"name some of {', '.join(peers.PEERS)}"
            )
        found: dict[str, Any] = {}
        failed: list[GreatTitError] = []
        for folder in datasets:
            try:
                data = dataset.read(folder)
                found[data.name] = peers.compare(
                    data,
                    clock=time.perf_counter,
                    keep=keep,
                    skip=skip or (),
                    seed=seed,
                    told=lambda line: typer.echo(line, err=True),
                )
            except GreatTitError as error:  # the other sets of a long run are still measured
                failed.append(error)
                typer.secho(f"greattit: {error}", err=True, fg=typer.colors.RED)
                continue
            write(out, {data.name: found[data.name]})
        typer.echo(json.dumps(found, ensure_ascii=False) if as_json else "\n".join(summary(found)))
        if failed:
            raise typer.Exit(2)


def write(page: Path, found: Figures) -> None:
    """Write the page with the figures found and those of earlier runs, the pictures, and all figures beside it."""
    store = page.with_suffix(".json")
    every: dict[str, Any] = json.loads(store.read_text("utf-8")) if store.exists() else {}
    every |= dict(found)
    pictures = page.parent / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for name, figures in found.items():
        (pictures / f"confusion-{name}.png").write_bytes(picture(figures))
    texts = {store: json.dumps(every, indent=1, ensure_ascii=False) + "\n", page: markdown(every)}
    for path, text in texts.items():
        draft = path.with_name(f".{path.name}.draft")
        draft.write_text(text, "utf-8")
        draft.replace(path)


def markdown(every: Figures) -> str:
    """Return the page of the figures of all sets."""
    names = " ".join(f"../shared/data/series/{name}" for name in every)
    lines = [
        "# Crop calls beside well-known methods",
        "",
        *METHOD.split("\n"),
        "",
        "Make it again (this page is written by the command; sets that are not named keep their figures):",
        "",
        "```",
        f"OMP_NUM_THREADS=1 greattit evaluate peers {names}",
        "```",
        "",
        "## Summary",
        "",
        "`ours less theirs` is the difference in accuracy from the peer with the best accuracy on that set, with its",
        "95 % interval (1000 draws of whole places, the same for both). The last column is the same without our",
        "neighbours.",
        "",
        *summary(every),
        "",
        "## Where a peer is ahead",
        "",
        *(lost(every) or ["Nowhere in these figures."]),
        "",
    ]
    for figures in every.values():
        lines += section(figures)
    lines += ["## Data", "", "The data are not part of this project. Figures need the citation given.", ""]
    lines += ["| set | licence | cite |", "| --- | --- | --- |"]
    for name in every:
        licence, cite = LICENCES.get(name, ("not stated", "not stated"))
        lines.append(f"| {name} | {licence} | {cite} |")
    return "\n".join(lines) + "\n"


METHOD = """Each set is fitted and scored on itself, out of fold: whole places (spatial blocks) are dealt to up to five
folds, and a sample is called by a fit that saw nothing of the places of its fold. All methods have the same folds and
the same seasons (looks brought to a grid in time) and are scored on all samples whose label names a class. The peers
learn from the samples outside the fold whose label is exactly one class; ours also learns from coarser labels there. No
peer was tuned. A call that is a kind of a coarser label (wheat of cereal) is right, for every method; macro F1 has the
coarser labels as labels of their own.

- **Great Tit**: what `greattit adapt` fits; boosted trees and temporal networks, blended, refined by what neighbouring
  parcels look like, calibrated. How much each expert counts, whether the neighbours are heard, their gates (33 numbers)
  and one temperature are chosen on these same out-of-fold calls, which flatters ours a little, its calibration error
  most. Only ours uses positions: the row *no neighbours* is the fair one for those who have none. It is missing where
  the neighbours did not help and were not used. `... alone` are the single experts before the blend. The expert *plain*
  is trained much as TempCNN is; it came into ours after runs without it were behind TempCNN on denmark-2016 (0.890
  against 0.905) and on vietnam-rice-points (0.855 against 1.000), so ours is not blind to these sets.
  Where the blend is no better out of fold than naming the commonest crop, ours names that, a rule that came after
  korea-2021 was seen (0.369 without the rule); against that row such a set is level by construction.
- **random forest**: scikit-learn, 300 trees, on the flattened series; unseen values are the mean of the column.
- **LightGBM**: the defaults of the library (100 rounds) on the flattened series; it takes unseen values as they are.
- **MiniRocket + ridge**: aeon, 10,000 kernels on the multivariate series with gaps filled along time, then
  RidgeClassifierCV. Its certainty is the softmax of the decision function, which is made for ranking, not for
  calibration.
- **TempCNN**: as published by Pelletier, Webb and Petitjean (2019): three layers of 64 filters of length 5, dropout
  0.5, 256 dense units, Adam at 0.001, batches of 64, 20 epochs, but at most 800 steps; gaps filled along time.

With one date only (india-2022) the bands, each scaled, are the points of one series for the last two. `at 93 %` is the
largest share of calls, surest first, of which 93 % are right; ECE is the calibration error over ten bins; seconds are
for all folds together, in one thread on a machine shared with other work, so they are rough. Intervals are 95 %, over
places."""


def summary(every: Figures) -> list[str]:
    """Return a table with one line for each set."""
    lines = [
        "| set | scored | places | best peer | theirs | ours | ours less theirs | verdict | without neighbours |",
        "| --- | ---: | ---: | --- | ---: | ---: | --- | --- | --- |",
    ]
    for name, figures in every.items():
        best, methods = figures["best_peer"], figures["methods"]
        if best is None:
            continue
        alone = figures.get("alone_against", {}).get(best, {}).get("accuracy")
        cells = [
            name,
            figures["scored"],
            f"{figures['places']}{' (few)' if figures['places'] < FEW_PLACES else ''}",
            TITLES[best],
            _share(methods[best]["accuracy"]),
            _share(methods["ours"]["accuracy"]),
            _gain(figures["against"][best]["accuracy"]),
            figures["verdict"],
            _gain(alone) if alone else "neighbours not used",
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def lost(every: Figures) -> list[str]:
    """Return a sentence for each peer that is ahead of ours in a figure."""
    lines = []
    for name, figures in every.items():
        for peer, told in figures["against"].items():
            for key, gain in told.items():
                if gain["verdict"] != "behind":
                    continue
                high = gain["interval"][1]
                chance = "beyond the interval" if high is not None and high < 0 else "within the interval"
                lines.append(f"- {name}: {TITLES[peer]} is ahead in {STATISTICS[key]}, {chance}: {_gain(gain)}.")
    return lines


def section(figures: Figures) -> list[str]:
    """Return the part of the page on one set."""
    name, methods = figures["dataset"], figures["methods"]
    untaught = figures["untaught"]["samples"]
    heads = ["method", "accuracy", *(["without untaught"] if untaught else []), "macro F1", "surest 80 %", "at 93 %"]
    heads += ["ECE", "seconds", "ours less theirs: accuracy", "macro F1", "surest 80 %"]
    lines = [f"## {name}", "", _about(figures), ""]
    lines += [f"| {' | '.join(heads)} |", f"| --- |{' --- |' * (len(heads) - 1)}"]
    for key, title in TITLES.items():
        if key not in methods:
            continue
        method = methods[key]
        told = figures["against"].get(key) or figures.get("alone_against", {}).get(key, {})
        cells = [f"**{title}**" if key == "ours" else title, _with(method["accuracy"], method["interval"])]
        cells += [_share(method["accuracy_taught"])] if untaught else []
        cells += [_with(method["macro_f1"], method["macro_f1_interval"]), _share(method["accuracy_80"])]
        cells += [_share(method["accepted_at_93"]), _share(method["ece"])]
        cells += ["-" if method["seconds"] is None else f"{method['seconds']:.0f}"]
        cells += [_gain(told[key]) if key in told else "-" for key in STATISTICS]
        lines.append(f"| {' | '.join(cells)} |")
    blanks = " | -" * (len(heads) - 2)
    lines += [f"| {expert} alone | {_share(figure)}{blanks} |" for expert, figure in figures["experts"].items()]
    lines += ["", *(f"Left out: {TITLES[peer]}, {reason}." for peer, reason in figures["left_out"].items())]
    picture_of = f"![How often each crop of {name} was called what](pictures/confusion-{name}.png)"
    return [*lines, *([""] if figures["left_out"] else []), picture_of, ""]


def _about(figures: Figures) -> str:
    shape = f"{figures['steps']} step{'s' if figures['steps'] != 1 else ''} of {', '.join(figures['channels'])}"
    told = [
        f"{figures['samples']} samples, {figures['scored']} scored, {len(figures['classes'])} classes, {shape}; "
        f"{figures['folds']} folds of {figures['places']} {'places' if figures['by_place'] else 'series'}."
    ]
    if not figures["by_place"]:
        told.append("The set has no places: near parcels stand in different folds, and all figures are too good.")
    if figures["cut_places"]:
        told.append(
            f"{figures['cut_places']} places that alone hold a class were cut in parts, which count as places: those "
            "parts are near each other, so figures and intervals are kinder than for a far place."
        )
    if figures["places"] < FEW_PLACES:
        told.append("An interval over so few places says little.")
    untaught = figures["untaught"]
    if untaught["samples"]:
        told.append(
            f"Of one place or fold only: {', '.join(untaught['labels'])} ({untaught['samples']} samples). No method "
            "can learn them from elsewhere; *without untaught* leaves them out."
        )
    if coarse := figures.get("coarser"):
        told.append(f"Labels that are no class themselves: {'; '.join(map(_coarse, coarse, coarse.values()))}.")
    if "note" in figures:
        told.append(figures["note"])
    hood = figures["neighbourhood"]
    if hood.get("used"):
        told.append(
            f"Neighbours: with gates learned on the other folds {_share(hood['accuracy_with'])}, without them "
            f"{_share(hood['accuracy_without'])} (samples that can be learned only)."
        )
    else:
        told.append(f"Neighbours were not used: {hood.get('why', 'no reason given')}.")
    made = ", ".join(f"{name} {version}" for name, version in figures["made_with"].items())
    return f"{' '.join(told)} Made with {made}."


def _coarse(label: str, what: Figures) -> str:
    kinds = what["right"]
    return f"{label} ({what['samples']}), right as {' or '.join(kinds) if len(kinds) < 4 else f'any of {len(kinds)}'}"


def picture(figures: Figures) -> bytes:
    """Return a PNG of what each crop was called, in shares of the crop; the diagonal is the recall."""
    import matplotlib
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    from greattit.report import style

    told = figures["confusion"]
    counts = np.array(told["counts"], float)
    rows, columns = counts.shape
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with matplotlib.rc_context(style.SETTINGS | {"axes.spines.left": False, "axes.spines.bottom": False}):
        sizes = counts.sum(axis=1).astype(int)
        names = [f"{_spaced(name)} ({size})" for name, size in zip(told["labels"], sizes, strict=True)]
        left, top = (0.3 + 0.066 * max(map(len, names)), 0.8 + 0.058 * max(map(len, told["called"])))
        width, height = max(4.4, left + 0.42 * columns + 0.7), top + 0.34 * rows + 0.1
        figure = Figure(figsize=(width, height), dpi=90, facecolor=style.PAPER)
        FigureCanvasAgg(figure)
        ax = figure.add_axes((left / width, 0.1 / height, 0.42 * columns / width, 0.34 * rows / height))
        colours = LinearSegmentedColormap.from_list("calls", [style.PAPER, style.SKY, style.BLUE])
        ax.imshow(shares, cmap=colours, vmin=0, vmax=1, aspect="auto")
        for row, column in zip(*np.nonzero((shares >= 0.005) | np.eye(rows, columns, dtype=bool)), strict=True):
            share = shares[row, column]
            weight = "bold" if row == column else "normal"
            ink = style.PAPER if share > 0.85 else style.INK
            ax.text(
                column, row, f"{100 * share:.0f}", ha="center", va="center", color=ink, fontsize=8, fontweight=weight
            )
        ax.set_yticks(range(rows), names)
        ax.set_xticks(range(columns), [_spaced(name) for name in told["called"]], rotation=55, ha="left")
        ax.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
        where = {"x": 0.1 / width, "va": "top"}
        figure.text(y=1 - 0.1 / height, s=figures["dataset"], fontsize=10.5, fontweight="bold", **where)
        note = "of 100 of a crop (row), how many were called what"
        figure.text(y=1 - 0.32 / height, s=note, fontsize=8.5, color=style.MUTED, **where)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return _small(buffer.getvalue())


def _small(png: bytes) -> bytes:
    """Pack a picture with 64 colours."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(
        buffer, format="png", optimize=True
    )
    return buffer.getvalue()


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _with(value: float | None, interval: Sequence[float | None]) -> str:
    low, high = interval
    return _share(value) if low is None or high is None else f"{_share(value)} ({low:.3f} to {high:.3f})"


def _gain(told: Figures) -> str:
    value, (low, high) = told["difference"], told["interval"]
    return f"{value:+.3f}" if low is None or high is None else f"{value:+.3f} ({low:+.3f} to {high:+.3f})"
