#!/usr/bin/env python3
"""Draws a run of octile_bench: a roofline and bars, from the JSON that --benchmark_out wrote.

usage: plot.py RESULT.json [--out DIR] [--peers peers_h200.json] [--table]

Writes DIR/roofline.svg, DIR/bars.svg and, for products that are not plain ones (weight gradients,
epilogues, batches), DIR/others.svg; needs matplotlib. --table prints Markdown tables instead.
Bars stand for speed relative to the peer file's DeepGEMM figure, scaled to this machine by the
geometric mean of cuBLASLt's times here over its times there (machines differ by a few per cent).
"""
import argparse
import json
import math
import pathlib

TENSOR_TFLOPS = 1979.0  # H200 FP8 dense, nominal
COPY_TB_PER_S = 4.28    # measured: bytes read plus bytes written


# What the peer file's DeepGEMM figures can be held against: d = a * b^T with a bf16 output.
PLAIN = ("blockwise", "tensorwise", "rowwise", "bf16")


def product_of(name):
    return name.split("_", 1)[1]


def load(path):
    """{shape: {contender: row}} of the benchmarks that ran, and the context. A shape is (m, n, k),
    of a batch (batch, m, n, k)."""
    document = json.loads(pathlib.Path(path).read_text())
    rows = {}
    for row in document["benchmarks"]:
        if row.get("error_occurred") or "us_median" not in row:
            continue
        shape = (int(row["m"]), int(row["n"]), int(row["k"]))
        if row.get("batch", 1) > 1:
            shape = (int(row["batch"]), *shape)
        rows.setdefault(shape, {})[row["name"].split("/")[0]] = row
    return rows, document["context"]


def split_products(rows):
    """The plain products' rows, and those of each other product by its name."""
    plain, others = {}, {}
    for shape, row in rows.items():
        for name, figures in row.items():
            product = product_of(name)
            group = plain if product in PLAIN else others.setdefault(product, {})
            group.setdefault(shape, {})[name] = figures
    return plain, others


def load_peers(path):
    return {(r["m"], r["n"], r["k"]): r for r in json.loads(pathlib.Path(path).read_text())["dense"]}


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


def machine_factor(rows, peers):
    """This machine's times over the peer file's, by what both ran with one library, and of how many
    rows that is; 1 and 0 where they share none."""
    for mine, theirs in (("cublaslt_tensorwise", "us_cublaslt_tensorwise"),
                         ("cublaslt_bf16", "us_bf16")):
        ratios = [row[mine]["us_median"] / peers[shape][theirs]
                  for shape, row in rows.items() if mine in row and theirs in peers.get(shape, {})]
        if ratios:
            return geometric_mean(ratios), len(ratios)
    return 1.0, 0


def scaling_text(factor, count):
    if count == 0:
        return "DeepGEMM from the peer file, unscaled: this run has none of its cuBLASLt rows"
    return f"DeepGEMM from the peer file, times {factor:.3f}: cuBLASLt's speed on {count} rows"


def contenders_of(rows):
    names = []
    for row in rows.values():
        names += [name for name in row if name not in names]
    return sorted(names, key=lambda name: (not name.startswith("octile"), name))


def print_table(rows, peers, context):
    plain, others = split_products(rows)
    print(f"{context.get('gpu')}, commit {context.get('commit')}, {context.get('date')}; microseconds")
    if plain:
        print_plain(plain, peers)
    for product, group in others.items():
        print_other(product, group)


def print_plain(rows, peers):
    names = contenders_of(rows)
    factor, count = machine_factor(rows, peers)
    print(f"\n{scaling_text(factor, count)}\n")
    print("| m, n, k | " + " | ".join(names) + " | DeepGEMM |")
    print("|---" * (len(names) + 2) + "|")
    for shape, row in rows.items():
        cells = [f"{row[name]['us_median']:.1f}" if name in row else "" for name in names]
        deepgemm = peers.get(shape, {}).get("us_deepgemm")
        cells.append(f"{deepgemm * factor:.1f}" if deepgemm else "")
        print("| " + ", ".join(map(str, shape)) + " | " + " | ".join(cells) + " |")
    for name in names:
        ahead = [peers[s]["us_deepgemm"] * factor / row[name]["us_median"]
                 for s, row in rows.items() if name in row and "us_deepgemm" in peers.get(s, {})]
        if ahead:
            print(f"\n{name}: {geometric_mean(ahead):.3f} times DeepGEMM's speed over {len(ahead)} rows,"
                  f" behind on {sum(a < 1 for a in ahead)}, at worst {min(ahead):.3f}")
        print_against_cublaslt(name, rows)


def print_other(product, rows):
    names = contenders_of(rows)
    print(f"\n{product}:\n")
    print("| shape | " + " | ".join(f"{name} | TFLOP/s" for name in names) + " |")
    print("|---" * (2 * len(names) + 1) + "|")
    for shape, row in rows.items():
        cells = [f"{row[name]['us_median']:.1f} | {row[name]['tflops']:.0f}" if name in row else " | "
                 for name in names]
        print("| " + ", ".join(map(str, shape)) + " | " + " | ".join(cells) + " |")
    for name in names:
        print_against_cublaslt(name, rows)


def print_against_cublaslt(name, rows):
    peer = "cublaslt_" + product_of(name)
    ratios = [row[peer]["us_median"] / row[name]["us_median"]
              for row in rows.values() if name in row and peer in row]
    if ratios and name != peer:
        print(f"\n{name}: {geometric_mean(ratios):.3f} times {peer}'s speed over {len(ratios)} rows")


def plot_roofline(rows, context, path):
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots(figsize=(9, 6))
    for i, name in enumerate(contenders_of(rows)):
        points = [row[name] for row in rows.values() if name in row]
        axes.scatter([p["flop_per_byte"] for p in points], [p["tflops"] for p in points], s=18,
                     marker="o" if name.startswith("octile") else "x", color=f"C{i % 10}",
                     label=name)
    x = [10 ** (i / 20) for i in range(0, 80)]
    axes.plot(x, [min(TENSOR_TFLOPS, COPY_TB_PER_S * v) for v in x], color="black", linewidth=1,
              label=f"{TENSOR_TFLOPS:.0f} TFLOP/s (nominal FP8), {COPY_TB_PER_S} TB/s (measured copy)")
    axes.set(xscale="log", yscale="log", xlabel="FLOP per byte that must move", ylabel="TFLOP/s",
             title=f"{context.get('gpu')}, {context.get('commit')}, {context.get('date')}")
    axes.grid(True, which="both", alpha=0.2)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def plot_bars(rows, peers, context, path):
    import matplotlib.pyplot as plt
    factor, count = machine_factor(rows, peers)
    shapes = [s for s in rows if "us_deepgemm" in peers.get(s, {})]
    names = contenders_of(rows)
    figure, axes = plt.subplots(figsize=(max(9, 0.5 * len(shapes)), 5))
    width = 0.8 / max(1, len(names))
    for i, name in enumerate(names):
        heights = [peers[s]["us_deepgemm"] * factor / rows[s][name]["us_median"]
                   if name in rows[s] else 0 for s in shapes]
        axes.bar([x + i * width for x in range(len(shapes))], heights, width, label=name)
    axes.axhline(1, color="black", linewidth=1)
    axes.set_xticks([x + 0.4 - width / 2 for x in range(len(shapes))],
                    ["x".join(map(str, s)) for s in shapes], rotation=90, fontsize=7)
    axes.set(ylabel="speed, DeepGEMM = 1",
             title=f"{context.get('gpu')}, {context.get('commit')}, {context.get('date')}\n"
                   f"{scaling_text(factor, count)}")
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def plot_others(others, context, path):
    import matplotlib.pyplot as plt
    places = [(product, shape) for product, group in others.items() for shape in group]
    figure, axes = plt.subplots(figsize=(max(9, 0.5 * len(places)), 5))
    for i, library in enumerate(("octile", "cublaslt")):
        heights = [others[p][s].get(f"{library}_{p}", {}).get("tflops", 0) for p, s in places]
        axes.bar([x + 0.4 * i for x in range(len(places))], heights, 0.4, label=library)
    axes.set_xticks([x + 0.2 for x in range(len(places))],
                    [f"{p} " + "x".join(map(str, s)) for p, s in places], rotation=90, fontsize=7)
    axes.set(ylabel="TFLOP/s",
             title=f"{context.get('gpu')}, {context.get('commit')}, {context.get('date')}")
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result")
    parser.add_argument("--out", default=".")
    parser.add_argument("--peers", default=pathlib.Path(__file__).with_name("peers_h200.json"))
    parser.add_argument("--table", action="store_true", help="print Markdown tables, draw nothing")
    arguments = parser.parse_args()
    rows, context = load(arguments.result)
    peers = load_peers(arguments.peers)
    if not rows:
        parser.error(f"{arguments.result} holds no finished benchmark")
    if arguments.table:
        print_table(rows, peers, context)
        return
    plain, others = split_products(rows)
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    plot_roofline(rows, context, out / "roofline.svg")
    written = ["roofline.svg"]
    if any("us_deepgemm" in peers.get(shape, {}) for shape in plain):
        plot_bars(plain, peers, context, out / "bars.svg")
        written.append("bars.svg")
    if others:
        plot_others(others, context, out / "others.svg")
        written.append("others.svg")
    print("wrote " + ", ".join(str(out / name) for name in written))


if __name__ == "__main__":
    main()
