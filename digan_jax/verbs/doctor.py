"""`digan doctor`."""

from __future__ import annotations

import json

from digan_jax.errors import InputError


def add(verbs) -> None:
    p = verbs.add_parser(
        "doctor",
        help="check this machine, for a bug report",
        description="Show devices, versions, memory, disk and encoders, then train and render for up to a minute.",
    )
    p.add_argument("--quick", action="store_true", help="leave out the trial")
    p.add_argument("--json", action="store_true", help="print the report as JSON")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax.jobs import doctor

    report = doctor.run(doctor.DoctorRequest(quick=a.quick))
    print(json.dumps(report, indent=1) if a.json else doctor.text(report))
    if found := report["problems"]:
        raise InputError(f"{len(found)} {'problem' if len(found) == 1 else 'problems'}: {found[0]}")
