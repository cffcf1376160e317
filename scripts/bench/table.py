"""Runs to tables: times beside completeness, and each contender's time as a ratio to ours."""

import os
import platform
import statistics


def machine():
    """One line about where this was measured."""
    model = "unknown CPU"
    try:
        with open("/proc/cpuinfo") as file:
            model = next(l.split(":", 1)[1].strip() for l in file if l.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}; only ratios inside one table count"


def rows(groups):
    """One summary a contender."""
    out = []
    for runs in filter(None, groups):
        middle = lambda key: statistics.median(r[key] for r in runs)
        share = [100 * r["found"] / r["true"] for r in runs]
        notes = []
        if any(r["killed"] for r in runs):
            notes.append("ended at the limit")
        elif any(r["status"] for r in runs):
            notes.append(f"exit {max(r['status'] for r in runs)}")
        elif min(share) < 100:
            notes.append("says done, incomplete")
        if any(r["false"] for r in runs):
            notes.append(f"{max(r['false'] for r in runs)} false")
        if any(r.get("spoiled") for r in runs):
            notes.append("wire overrun")
        out.append({
            "name": runs[0]["contender"], "family": runs[0]["family"], "n": len(runs), "min": min(r["wall_s"] for r in runs),
            "median": middle("wall_s"), "sent": middle("sent"), "pps": middle("sent") / max(middle("wall_s"), 1e-9),
            "low": min(share), "high": max(share), "cpu": middle("cpu_s"), "rss": middle("rss_mb"), "notes": ", ".join(notes),
        })
    return out


def grid(head, body):
    """A Markdown table whose columns also line up in a terminal; numbers to the right."""
    widths = [max(len(r[i]) for r in [head] + body) for i in range(len(head))]
    line = lambda r: "| " + " | ".join(c.ljust(w) if i in (0, len(r) - 1) else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))) + " |"
    rule = "|" + "|".join("-" * (w + 2) if i in (0, len(widths) - 1) else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([line(head), rule] + [line(r) for r in body])


def draw(scenario, summary):
    ours = next((r["median"] for r in summary if r["family"] == "palisade"), None)
    body = []
    for r in summary:
        share = f"{r['low']:.2f}" if r["low"] == r["high"] else f"{r['low']:.2f}..{r['high']:.2f}"
        body.append([
            r["name"], str(r["n"]), f"{r['min']:.3f}", f"{r['median']:.3f}", f"{ours / r['median']:.2f}" if ours else "-",
            f"{r['pps']:,.0f}", f"{r['sent']:,.0f}", share, f"{r['cpu']:.2f}", f"{r['rss']:.0f}", r["notes"],
        ])
    head = ["scanner", "n", "min s", "median s", "ours / this", "packets/s", "packets", "found %", "CPU s", "RSS MB", "note"]
    return f"### {scenario}\n\n{grid(head, body)}\n"


def draw_names(summary):
    ours = next((r["median"] for r in summary if r["family"] == "palisade"), None)
    body = [[
        r["name"], str(r["n"]), f"{r['min']:.3f}", f"{r['median']:.3f}", f"{ours / r['median']:.2f}" if ours else "-",
        f"{r['rate']:,.0f}", f"{r['low']:.2f}", f"{r['cpu']:.2f}", f"{r['rss']:.0f}", r["notes"],
    ] for r in summary]
    head = ["resolver", "n", "min s", "median s", "ours / this", "names/s", "answered %", "CPU s", "RSS MB", "note"]
    return f"### names\n\n{grid(head, body)}\n" if body else "### names\n\nskipped: needs nsd\n"
