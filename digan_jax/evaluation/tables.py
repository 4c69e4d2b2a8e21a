"""Reports of evaluations as tables and plots."""

from __future__ import annotations

from collections.abc import Sequence

from digan_jax.errors import InputError
from digan_jax.host.files import moved_in

_DASH = "-"


def table(report: dict) -> str:
    """A report as text: what was compared, and a line per protocol."""
    subject, real = report["subject"], report["real"]
    step = f", step {subject['step']} ({subject['kimg']:g} kimg)" if "step" in subject else ""
    split = f", split {real['split']}" if real["split"] else ""
    lines = [
        f"generated  {subject['name']}{step}",
        f"real       {real['name']}{split}, {real['records']} records, {real['size']} pixels, "
        f"fingerprint {real['fingerprint']} (of {real['fingerprint_covers']})",
        "weights    " + ", ".join(f"{name} {sha[:12]}" for name, sha in report["weights"].items()),
        "versions   " + ", ".join(f"{name} {v}" for name, v in report["versions"].items() if v),
        f"made       {report['date']}, on {report['device']}, in {report['seconds']:.0f} s",
        "",
    ]
    trained_with = report.get("trained_with", [])  # reports of before this lack it
    lines += _aligned(_rows(report))
    lines += ["", "Lower FVD is better. For reference, FVD of other, frozen (no motion) and shuffled real clips."]
    for name, p in report["protocols"].items():
        lines.append(
            f"{name}: {p['n_real']} real, {p['n_generated']} generated ({p['generated_clips']}), {p['draws']} "
            f"{'draws' if p['draws'] > 1 else 'draw'}, {p['frames']} frames, stride {p['stride']}; {p['choice']}; "
            f"{p['resize']}; {p['quantise']}; real frames {_stored(p)}. {p['source']}."
        )
    lines += [f"{name}: a critic of this model was trained on its features; no fair judge." for name in trained_with]
    lines += [f"left out: {name}: {reason}" for name, reason in report["skipped"].items()]
    for side in (subject, real):
        if skipped := side.get("skipped_files"):
            few = ", ".join(file for file, _ in skipped[:3]) + (", …" if len(skipped) > 3 else "")
            lines.append(f"not used of {side['name']}: {len(skipped)} files: {few}")
    return "\n".join(lines)


def _stored(p: dict) -> str:
    return f"through JPEG of quality {p['jpeg_quality_of_real']}" if p["jpeg_quality_of_real"] else "without loss"


def _rows(report: dict) -> list[list[str]]:
    head = ["protocol", "FVD", "KVD", "FVD of real:", "frozen:", "shuffled:"]
    head += ["precision", "recall", "density", "coverage"]
    judges = sorted({name for p in report["protocols"].values() for name in p if _is_judge(p[name])})
    names = {"fid": ("FID", "KID")}  # only Inception features make an FID
    rows = [head + [word for name in judges for word in names.get(name, (f"{name} Fréchet", f"{name} KID"))]]
    scored = any("inception_score" in p for p in report["protocols"].values())
    rows[0] += ["IS", "IS of real:"] if scored else []
    for name, p in report["protocols"].items():
        references = p.get("references", {})
        row = [name, _spread(p["fvd"]), _spread(p["kvd"], 3)]
        row += [f"{references[k]:z.1f}" if k in references else _DASH for k in ("real", "frozen", "shuffled")]
        row += [f"{p['coverage'][k]:z.3f}" for k in ("precision", "recall", "density", "coverage")]
        for judge in judges:
            row += [f"{p[judge]['frechet']:z.3f}", f"{p[judge]['kid']:z.5f}"] if judge in p else [_DASH, _DASH]
        if scored:
            score = p["inception_score"]
            row += [_spread(score, 2), _DASH if score["real"] is None else f"{score['real']:z.2f}"]
        rows.append(row)
    return rows


def _is_judge(value) -> bool:
    return isinstance(value, dict) and "kid" in value


def _spread(value: dict, digits: int = 1) -> str:
    mean = f"{value['mean']:z.{digits}f}"
    return mean if value["deviation"] is None else f"{mean} ± {value['deviation']:z.{digits}f}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


# ---- several ----


def check_comparable(reports: Sequence[dict]) -> list[str]:
    """The protocols that all reports share.

    Raises:
      InputError: no shared protocol; or reports on different real clips or with different weights.
    """
    shared = [name for name in reports[0]["protocols"] if all(name in r["protocols"] for r in reports)]
    if not shared:
        raise InputError("these reports have no protocol in common; evaluate all with one --protocol.")
    first = reports[0]
    for other in reports[1:]:
        who = f"{first['subject']['name']} and {other['subject']['name']}"
        if other["weights"]["i3d_kinetics400_logits"] != first["weights"]["i3d_kinetics400_logits"]:
            raise InputError(f"{who} were measured with different I3D weights; their numbers cannot be compared.")
        for name in shared:
            if other["protocols"][name]["clips"]["real"] != first["protocols"][name]["clips"]["real"]:
                raise InputError(
                    f"{who} were compared with different real clips under {name}; their numbers cannot be compared. "
                    "Evaluate all with one --real."
                )
    return shared


def comparison(reports: Sequence[dict]) -> str:
    """One table of several reports. Raises `InputError` as `check_comparable`."""
    shared = check_comparable(reports)
    classifiers = {report["weights"].get("c3d_ucf101") for report in reports}
    scored = len(classifiers) == 1 and None not in classifiers  # IS needs the same classifier
    lines = []
    for name in shared:
        rows = [[name, "FVD", "KVD", "precision", "recall", "density", "coverage"] + ["IS"] * scored]
        for report in sorted(reports, key=lambda r: r["protocols"][name]["fvd"]["mean"]):
            p = report["protocols"][name]
            row = [report["subject"]["name"], _spread(p["fvd"]), _spread(p["kvd"], 3)]
            row += [f"{p['coverage'][k]:z.3f}" for k in ("precision", "recall", "density", "coverage")]
            rows.append(row + [_spread(p["inception_score"], 2)] if scored else row)
        for kind, value in reports[0]["protocols"][name].get("references", {}).items():
            label = "other real clips" if kind == "real" else f"real clips, {kind}"
            rows.append([f"({label})", f"{value:z.1f}"] + [_DASH] * (len(rows[0]) - 2))
        lines += [*_aligned(rows), ""]
    return "\n".join(lines[:-1])


def plot(reports: Sequence[dict], path: str) -> None:
    """Plots FVD with standard deviations as bars and references as lines, a panel per protocol.

    Raises:
      InputError: matplotlib is not installed; as `check_comparable`.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError('plots need matplotlib; pip install "digan-jax[eval]".') from None
    shared = check_comparable(reports)
    names = ["…" + name[-23:] if len(name) > 24 else name for name in (r["subject"]["name"] for r in reports)]
    figure = Figure(figsize=(2.5 + 4.0 * len(shared), 1.8 + 0.45 * len(reports)), layout="constrained")
    for axes, protocol in zip(figure.subplots(1, len(shared), squeeze=False)[0], shared):
        found = [r["protocols"][protocol] for r in reports]
        axes.barh(
            names,
            [p["fvd"]["mean"] for p in found],
            xerr=[p["fvd"]["deviation"] or 0 for p in found],
            color="0.7",
            capsize=3,
        )
        for (kind, value), style in zip(found[0].get("references", {}).items(), ("-", "--", ":")):
            label = "other real" if kind == "real" else f"real, {kind}"
            axes.axvline(value, linestyle=style, color="k", linewidth=1, label=label)
        axes.set_xlabel(f"FVD, {protocol}")
        axes.invert_yaxis()
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small")
    with moved_in(path) as unfinished:
        figure.savefig(unfinished, dpi=150)
