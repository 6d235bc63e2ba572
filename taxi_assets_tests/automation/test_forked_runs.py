"""Processes of runs, as a code server starts them: forked, or spawned where the code has changed."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SERVER = ["dagster", "api", "grpc"]
# Started as a module's main program, as a code server is: each new process imports that first.
_PROGRAM = """
    import atexit, json, multiprocessing, sys
    from pathlib import Path

    def report(path):
        found = {"parent": multiprocessing.parent_process() is not None, "modules": sorted(sys.modules)}
        atexit.register(Path(path).write_text, json.dumps(found))

    def ended(path):
        process = multiprocessing.get_context("spawn").Process(target=report, args=[path])
        process.start()
        process.join()
        return [type(process).__name__, process.exitcode]

    if __name__ == "__main__":
        from taxi_assets.automation import forked_runs
        sys.argv = sys.argv[2:]
        forked_runs.fork_runs()
        kinds = [ended(sys.argv[0] + "first")]
        forked_runs._sources = lambda: {("changed.py", 0)}
        print(json.dumps([*kinds, ended(sys.argv[0] + "second")]))
"""


def started(folder: Path, *arguments: str) -> list[list[object]]:
    """The kinds and exit codes of a process that is started before, and one after the code changes."""
    (folder / "program.py").write_text(textwrap.dedent(_PROGRAM))
    command = [sys.executable, "-m", "program", "", f"{folder}/", *arguments]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_code_server_forks_runs_and_spawns_those_after_a_change_of_the_code(tmp_path: Path) -> None:
    assert started(tmp_path, *SERVER[1:]) == [["ForkedRun", 0], ["SpawnProcess", 0]]
    forked, spawned = (json.loads((tmp_path / name).read_text()) for name in ("first", "second"))  # at exit
    assert [forked["parent"], spawned["parent"]] == [True, True]
    assert "taxi_assets.definitions" in forked["modules"]
    assert "taxi_assets.definitions" not in spawned["modules"]


def test_other_processes_spawn_as_ever(tmp_path: Path) -> None:
    assert started(tmp_path, "api", "execute_run")[0] == ["SpawnProcess", 0]
