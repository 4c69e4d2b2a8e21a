"""`digan benchmark`."""

from __future__ import annotations


def add(verbs) -> None:
    p = verbs.add_parser(
        "benchmark",
        help="measure speed in units of a matrix product",
        description="Time training, sampling, features and data on this device, in units U: the time of a 2048x2048 "
        "float32 matrix product, measured alongside.",
    )
    p.add_argument("--rows", type=lambda text: text.split(","), help="names of benchmarks, such as train_32_512,i3d")
    p.add_argument("--json", metavar="FILE", help="also write the results to this file")
    p.add_argument("--compare", metavar="BEFORE.json", help="compare with an earlier --json; below 1 is faster now")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax import benchmark
    from digan_jax.host.files import check_file, write_json

    if a.json:
        check_file(a.json)
    if a.compare:
        benchmark.compare(a.compare, {"rows": {}})  # checks the file before measuring
    report = benchmark.run(a.rows)
    if a.json:
        write_json(a.json, report)
    if a.compare:
        print(benchmark.compare(a.compare, report))
