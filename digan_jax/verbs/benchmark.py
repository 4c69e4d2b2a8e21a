"""`digan benchmark`."""

from __future__ import annotations


def add(verbs) -> None:
    p = verbs.add_parser(
        "benchmark",
        help="times in units of a matrix product",
        description="Time training, sampling and features on this device, in units U of a 2048x2048 float32 matrix "
        "product timed beside each row. Below 1 in --compare is faster than before.",
    )
    p.add_argument("--rows", type=lambda text: text.split(","), help="some of them, by name, such as train_32_512,i3d")
    p.add_argument("--json", metavar="FILE", help="write the numbers there too")
    p.add_argument("--compare", metavar="BEFORE.json", help="with an earlier --json")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax import benchmark
    from digan_jax.host.files import check_file, write_json

    if a.json:
        check_file(a.json)
    if a.compare:
        benchmark.compare(a.compare, {"rows": {}})  # refuses a bad file before anything is measured
    report = benchmark.run(a.rows)
    if a.json:
        write_json(a.json, report)
    if a.compare:
        print(benchmark.compare(a.compare, report))
