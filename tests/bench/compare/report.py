"""The results in Markdown, for docs/benchmarks.md."""

from compare import targets
from compare.peers import NOT_COMPARABLE
from compare.results import column, median

BEGIN, END = "<!-- compare: begin -->", "<!-- compare: end -->"
MIB = 1 << 20


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def number(value):
    """Three digits that count; whole numbers as they are."""
    if value is None:
        return ""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def spread(runs, name, scale=1.0):
    """The median, and the least and the greatest behind it."""
    values = [value * scale for value in column(runs, name)]
    if not values:
        return ""
    middle = number(median(runs, name) * scale)
    if len(values) == 1:
        return f"{middle} (one run)"
    return f"{middle} ({number(min(values))}–{number(max(values))})"


def machine_lines(machine):
    yield "#### The machine\n"
    for name, value in machine.items():
        yield f"- {name}: {value}"


def target_table(results):
    rows = [[row.what + (f" ({row.remark})" if row.remark else ""),
             f"{row.sense} {number(row.target)}{row.unit}", f"{number(row.measured)}{row.unit}",
             "met" if row.met else "**not met**"] for row in targets.rows(results)]
    if rows:
        yield "\n#### Targets\n"
        yield from table(["what", "target", "measured", ""], rows)


def _first_result(runs):
    """For Sluice the first plan; the others' first output is one."""
    return spread(runs, "first_plan") or spread(runs, "first_output")


def _client_peak(runs):
    client = median(runs, "client_peak_kib")
    return f" + {number(client / 1024)}" if client else ""


def dedupe_table(entry):
    ours = median(entry["tools"][targets.SLUICE]["runs"], "wall")
    good = {name: tool for name, tool in entry["tools"].items() if tool["runs"] and not tool["error"]}
    rows = []
    for name, tool in sorted(good.items(), key=lambda item: median(item[1]["runs"], "wall")):
        runs = tool["runs"]
        wall = median(runs, "wall")
        rows.append([
            f"*{name}*" if tool["kind"] == "baseline" else name,
            spread(runs, "wall"), f"{ours / wall:.2f}" if ours else "", spread(runs, "cpu"),
            number(median(runs, "peak_kib") / 1024) + _client_peak(runs),
            number(median(runs, "bytes_read") / MIB),
            "" if tool["kind"] == "baseline" else _first_result(runs)])
    yield from table(["", "wall s", "Sluice ÷ it", "CPU s", "peak MiB", "read MiB",
                      "first result s"], rows)
    for name, tool in entry["tools"].items():
        if tool["error"]:
            yield f"\n**{name}: no figure.** {tool['error']}."


def dedupe_section(results, plots):
    for key, entry in results.of("dedupe").items():
        yield f"\n#### Identical files: {key}\n"
        yield f"{entry['what']}; {entry.get('groups', 0):,} groups of {entry.get('files', 0):,} files."
        if "content_bound" in entry:
            yield (f"To be read at least: {entry['content_bound'] / MIB:,.1f} MiB of content and "
                   f"{entry['metadata_bound'] / MIB:,.1f} MiB for names and sizes.")
        yield ""
        yield from dedupe_table(entry)
    for name in plots:
        if name.startswith("dedupe"):
            yield f"\n![wall time beside the fastest peer]({plots[name]})"


def second_section(results):
    rows = [[name, number(entry["first"]["wall"]) if "first" in entry else "",
             entry["error"] or spread(entry["runs"], "wall"), str(entry.get("opened", "")),
             f"{entry['peer']}: {number(entry['peer_wall'])}" if entry.get("peer") else ""]
            for name, entry in results.of("second").items()]
    if rows:
        yield "\n#### The second run on an unchanged tree\n"
        yield from table(["", "first, s", "second, s", "files opened", "fastest peer, uncached, s"],
                         rows)


def streams_section(results):
    rows = [[name, spread(entry["find"], "wall"), spread(entry["runs"], "wall"),
             spread(entry["runs"], "cpu"), spread(entry["runs"], "first_event", 1000),
             spread(entry["files"], "catalog"), spread(entry["files"], "ready_made")]
            for name, entry in results.of("streams").items()]
    if rows:
        yield "\n#### Streams to a C++ client\n"
        yield from table(["", "find -printf, s", "scan, s", "scan, CPU s", "first event, ms",
                          "records/s from the catalog", "records/s ready-made"], rows)


def growth_section(results, plots):
    rows = [[f"{entry['files']:,}", entry["error"] or spread(entry["runs"], "wall"),
             spread(entry["runs"], "cpu"), spread(entry["runs"], "peak_kib", 1 / 1024),
             spread(entry["runs"], "client_peak_kib", 1 / 1024)]
            for entry in results.of("growth").values()]
    if rows:
        yield "\n#### Growth: `dedupe` against the number of files, warm\n"
        yield from table(["files", "wall s", "CPU s", "sluiced, peak MiB", "client, peak MiB"], rows)
        if "growth" in plots:
            yield f"\n![time and memory against the number of files]({plots['growth']})"


def hashing_section(results):
    rows = [[name, spread(entry["runs"], "bytes_per_second", 1e-9),
             spread([{"rate": rate} for rate in entry["openssl"]], "rate", 1e-9)]
            for name, entry in results.of("sha256").items() if entry["runs"]]
    if rows:
        yield "\n#### SHA-256 of warm files\n"
        yield from table(["", "sluice scan, GB/s", "openssl speed, GB/s"], rows)


def markdown(results, plots):
    """`plots` are {name: path to link to}."""
    lines = [*machine_lines(results.all.get("machine", {})), *target_table(results),
             *dedupe_section(results, plots), *second_section(results), *streams_section(results),
             *growth_section(results, plots), *hashing_section(results)]
    lines += [f"\n{name} is not compared: {why}." for name, why in NOT_COMPARABLE.items()]
    return "\n".join(lines)


def write(path, text):
    """Puts the text between the two marks of a file."""
    before, rest = path.read_text().split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{text}\n\n{END}{after}")
