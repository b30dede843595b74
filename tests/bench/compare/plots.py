"""The plots of the report: SVG that is the same, byte for byte, for the same results."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402 pylint: disable=wrong-import-position

from compare import growth, targets  # noqa: E402 pylint: disable=wrong-import-position
from compare.results import column, fastest, median  # noqa: E402 pylint: disable=wrong-import-position

plt.rcParams.update({"svg.hashsalt": "sluice", "svg.fonttype": "none", "font.size": 9,
                     "axes.spines.top": False, "axes.spines.right": False})
OURS, THEIRS = "#c2410c", "#94a3b8"


def _save(figure, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def plot_dedupe(results, cache, path):
    """A panel a corpus: how long everyone took, as multiples of the fastest peer."""
    entries = {key.split(",")[0]: entry for key, entry in results.of("dedupe").items()
               if key.endswith(cache) and fastest(entry["tools"])}
    if not entries:
        return False
    columns = min(4, len(entries))
    lines = -(-len(entries) // columns)
    figure, panels = plt.subplots(lines, columns, figsize=(3 * columns, 2.4 * lines), squeeze=False)
    for panel, (name, entry) in zip(panels.flat, entries.items()):
        _plot_corpus(panel, name, entry)
    for panel in panels.flat[len(entries):]:
        panel.axis("off")
    figure.suptitle(f"{cache} cache: wall time, the fastest peer = 1", fontsize=10)
    _save(figure, path)
    return True


def _plot_corpus(panel, name, entry):
    least = fastest(entry["tools"])[1]
    bars = {tool: median(data["runs"], "wall") / least for tool, data in entry["tools"].items()
            if data["runs"] and not data["error"] and data["kind"] != "baseline"}
    names = sorted(bars, key=bars.get, reverse=True)
    colours = [OURS if entry["tools"][tool]["kind"] == "sluice" else THEIRS for tool in names]
    panel.barh(names, [bars[tool] for tool in names], color=colours)
    panel.axvline(1, color="black", linewidth=0.6)
    panel.set_xscale("log")
    panel.set_title(name, fontsize=9)


def plot_growth(results, path):
    """Time and memory against the count, on one plot, with the curve of n log n."""
    entries = sorted((entry for entry in results.of("growth").values() if entry["runs"]),
                     key=lambda entry: entry["files"])
    if len(entries) < 2:
        return False
    counts = [entry["files"] for entry in entries]
    walls = [median(entry["runs"], "wall") for entry in entries]
    per_step = sorted(map(growth.per_n_log_n, counts, walls))[len(counts) // 2]
    figure, left = plt.subplots(figsize=(6.5, 3.6))
    left.loglog(counts, walls, "o-", color=OURS, label="time")
    left.loglog(counts, [wall * per_step / growth.per_n_log_n(count, wall)
                         for count, wall in zip(counts, walls)],
                "--", color=OURS, linewidth=0.8, label="n log n")
    left.set_xlabel("files")
    left.set_ylabel("wall time, s")
    right = left.twinx()
    right.spines["right"].set_visible(True)
    peaks = [max(column(entry["runs"], "peak_kib")) / targets.MIB_KIB for entry in entries]
    right.plot(counts, peaks, "s-", color="#1d4ed8", label="peak memory of sluiced")
    right.axhline(64, color="#1d4ed8", linewidth=0.6, linestyle=":")
    right.set_ylim(0, max(80, *peaks))
    right.set_ylabel("resident, MiB")
    left.legend(loc="upper left", frameon=False)
    right.legend(loc="lower right", frameon=False)
    _save(figure, path)
    return True


def plot_all(results, folder):
    """Draws what there are results for: {name: file}."""
    drawn = {"dedupe-warm": plot_dedupe(results, "warm", folder / "dedupe-warm.svg"),
             "dedupe-cold": plot_dedupe(results, "cold", folder / "dedupe-cold.svg"),
             "growth": plot_growth(results, folder / "growth.svg")}
    return {name: folder / f"{name}.svg" for name, there in drawn.items() if there}
