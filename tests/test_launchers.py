"""The launchers in scripts/, run against stand-ins for gcloud, srun, scontrol and digan that note how they are called."""

import argparse
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from digan_jax.verbs import train

SCRIPTS = Path(__file__).parent.parent / "scripts"
OPTIONS = ["--config", "sky_128", "--config.data.name=two words", "--workdir", "gs://b/it's"]


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """stand_in(name, text): puts a shell script on the PATH that notes its arguments in calls.txt and runs `text`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls.txt"))

    def make(name, text=""):
        note = f"""{{ printf '%q ' {name} "$@" | tr -d '\\n'; echo; }} >> "$CALLS"\n"""
        (tmp_path / name).write_text("#!/usr/bin/env bash\n" + note + text)
        (tmp_path / name).chmod(0o755)

    return make


def run(script, *options, **env):
    command = ["bash", str(SCRIPTS / script), *options]
    return subprocess.run(command, env=os.environ | env, capture_output=True, text=True, timeout=60)


def calls():
    """The words of each call, in order. Words that printf writes as $'...' are those with line breaks."""
    file = Path(os.environ["CALLS"])
    lines = file.read_text().splitlines() if file.exists() else []
    read = lambda line: subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True).stdout
    return [read(line).split("\0")[:-1] for line in lines]


def parsed(words):
    """The options of `digan train`, as its own parser reads them; overrides of fields stay words."""
    assert Path(words[0]).name == "digan" and words[1] == "train"
    parser = argparse.ArgumentParser()
    train.add(parser.add_subparsers())
    known, others = parser.parse_known_args(words[1:])
    assert all(word.startswith("--config.") for word in others), others
    return known


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.rglob("*.sh")))
def test_a_script_is_a_screenful_that_bash_reads(script):
    [path] = SCRIPTS.rglob(script)
    assert subprocess.run(["bash", "-n", path]).returncode == 0
    assert len(path.read_text().splitlines()) <= 50
    if shutil.which("shellcheck"):
        assert subprocess.run(["shellcheck", path]).returncode == 0


# ---- TPU pods

GCLOUD = """
case "$*" in
  *tpu-vm\\ describe*) exit "${EXISTS:-1}" ;;
  *queued-resources\\ describe*) head -n 1 "$STATES"; sed -i '1{$!d}' "$STATES" ;;
esac
"""


@pytest.fixture
def pod(stand_in, tmp_path):
    """pod(states, *options, **env): the launcher, where the queue tells these states in turn."""
    stand_in("gcloud", GCLOUD)

    def launch(states, *options, **env):
        (tmp_path / "states").write_text("\n".join(states) + "\n")
        given = dict(TPU="pod", ZONE="z", SOURCE="https://h/r.git", EVERY="0", STATES=str(tmp_path / "states"))
        return run("launch_tpu_pod.sh", *options, **given | env)

    return launch


def test_a_queued_tpu_is_waited_for(pod):
    done = pod(["WAITING_FOR_RESOURCES", "PROVISIONING", "ACTIVE"], *OPTIONS, TYPE="v5litepod-32", SPOT="1", PROJECT="p")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["pod:", "WAITING_FOR_RESOURCES", "pod:", "PROVISIONING"]
    verbs = [" ".join(call[3:5]) for call in calls()]
    assert verbs == ["tpu-vm describe", "queued-resources create", *["queued-resources describe"] * 3, "tpu-vm ssh"]
    created = calls()[1]
    for pair in ("--node-id pod", "--accelerator-type v5litepod-32", "--zone z", "--project p"):
        assert pair in " ".join(created)
    assert "--spot" in created and "--worker=all" in calls()[-1]


def test_options_reach_every_host_as_they_are_given(pod):
    assert pod([], *OPTIONS).returncode == 0
    [ssh] = calls()
    command = ssh[ssh.index("--command") + 1]
    assert subprocess.run(["bash", "-n", "-c", command]).returncode == 0
    words = shlex.split(command.splitlines()[-1])
    assert words[-len(OPTIONS) :] == OPTIONS and parsed(words).distributed
    assert "git clone --quiet --branch 'main' 'https://h/r.git'" in command


def test_a_queued_tpu_that_fails_ends_the_wait(pod):
    done = pod(["WAITING_FOR_RESOURCES", "FAILED"], *OPTIONS, TYPE="v5litepod-32")
    assert done.returncode == 1 and done.stdout.endswith("pod: FAILED\n")
    assert not any("ssh" in call for call in calls())


def test_a_tpu_that_exists_is_used_and_stopped(pod):
    assert pod([], *OPTIONS, TYPE="v5litepod-32", EXISTS="0").returncode == 0
    assert [call[4] for call in calls()] == ["describe", "ssh"]
    assert pod([], "stop").returncode == 0
    assert "pkill --signal TERM" in calls()[-1][-1]


# ---- Slurm

SRUN = """
while [ "${1#--}" != "$1" ]; do shift; done
status=0
for id in 0 1 2; do
  SLURM_PROCID=$id SLURM_NTASKS=3 "$@" || status=$?
done
exit $status
"""


@pytest.fixture
def slurm(stand_in):
    stand_in("srun", SRUN)
    stand_in("scontrol", '[ "$1" != show ] || printf "%s\\n" node7 node8')
    stand_in("digan", 'exit "${STATUS:-0}"')
    return lambda **env: run("launch_slurm.sh", *OPTIONS, SLURM_JOB_ID="41", SLURM_JOB_NODELIST="node[7-8]", **env)


def test_slurm_starts_a_process_for_each_task(slurm):
    assert slurm().returncode == 0
    started = [call for call in calls() if call[0] == "digan"]
    assert [parsed(words).process_id for words in started] == [0, 1, 2]
    for words in started:
        assert words[-len(OPTIONS) :] == OPTIONS
        assert (parsed(words).process_count, parsed(words).coordinator) == (3, "node7:20041")
    text = (SCRIPTS / "launch_slurm.sh").read_text()
    tasks, gpus = (re.search(rf"#SBATCH --{name}=(\d+)", text)[1] for name in ("ntasks-per-node", "gpus-per-node"))
    assert tasks == gpus  # JAX gives each process of a Slurm job one GPU


@pytest.mark.parametrize("status, again", [(0, False), (1, False), (2, False), (3, True), (137, True)])
def test_slurm_goes_on_after_a_lost_machine_alone(slurm, status, again):
    assert slurm(STATUS=str(status)).returncode == status
    assert (["scontrol", "requeue", "41"] in calls()) == again


# ---- Kubernetes


def closed(required, **properties):
    """An object with these fields and no others."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


TEXT, COUNT = {"type": "string", "minLength": 1}, {"type": "integer", "minimum": 1}
NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}  # RFC 1123, as Kubernetes asks
LIST = lambda of: {"type": "array", "items": of, "minItems": 1}
CONTAINER = closed(
    ["name", "image"], name=NAME, image=TEXT, command=LIST(TEXT), args=LIST(TEXT),
    env=LIST(closed(["name", "value"], name=TEXT, value={"type": "string"})),  # a number there is refused by Kubernetes
    ports=LIST(closed(["containerPort"], containerPort=COUNT)), resources=closed(["limits"], limits={"type": "object"}),
)  # fmt: skip
POD = closed(
    ["containers", "restartPolicy"], restartPolicy={"enum": ["Never", "OnFailure"]}, containers=LIST(CONTAINER),
    terminationGracePeriodSeconds=COUNT,
)  # fmt: skip
JOB = closed(
    ["template"], completionMode={"enum": ["Indexed", "NonIndexed"]}, parallelism=COUNT, completions=COUNT,
    backoffLimit={"type": "integer", "minimum": 0}, template=closed(["spec"], spec=POD),
)  # fmt: skip
REPLICATED = closed(["name", "template"], name=NAME, replicas=COUNT, template=closed(["spec"], spec=JOB))
JOBSET = closed(  # the fields of jobset.x-k8s.io/v1alpha2 that the manifest uses
    ["apiVersion", "kind", "metadata", "spec"], apiVersion={"const": "jobset.x-k8s.io/v1alpha2"},
    kind={"const": "JobSet"}, metadata=closed(["name"], name=NAME),
    spec=closed(["replicatedJobs"], failurePolicy=closed([], maxRestarts=COUNT), replicatedJobs=LIST(REPLICATED)),
)  # fmt: skip


def test_the_jobset_fits_its_schema_and_starts_one_job(stand_in):
    manifest = yaml.safe_load((SCRIPTS / "jobset.yaml").read_text())
    jsonschema.validate(manifest, JOBSET)
    name, [replicated] = manifest["metadata"]["name"], manifest["spec"]["replicatedJobs"]
    job = replicated["template"]["spec"]
    [container] = job["template"]["spec"]["containers"]
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    assert job["completionMode"] == "Indexed" and job["backoffLimit"] == 0  # each process has its number; none comes twice
    assert job["parallelism"] == job["completions"] == int(env["PROCESSES"])
    stand_in("digan")
    command = [*container["command"], *container["args"]]
    assert subprocess.run(command, env=os.environ | env | {"JOB_COMPLETION_INDEX": "1"}).returncode == 0
    [words] = calls()
    first = f"{name}-{replicated['name']}-0-0.{name}:{container['ports'][0]['containerPort']}"
    given = parsed(words)
    assert (given.process_id, given.process_count, given.coordinator) == (1, int(env["PROCESSES"]), first)
