import os
import subprocess
import sys

import pytest

from audiossl.threads import SPINS, wait_passively


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({}, {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": SPINS}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, {"OMP_WAIT_POLICY": "PASSIVE"}),
        ({"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "7"}),
    ],
)
def test_what_the_user_set_stays(given, made):
    variables = dict(given)
    wait_passively(variables)
    assert variables == made


@pytest.mark.parametrize("command", [["-m", "audiossl", "--help"], ["-c", "from audiossl.cli import main; main(['--help'])"]])
def test_a_command_waits_passively_before_torch_is_imported(command):
    spy = "import sys, os, atexit; atexit.register(lambda: print(os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules))"
    program = f"{spy}; sys.argv = ['audiossl', '--help']; import runpy; runpy.run_module('audiossl', run_name='__main__')"
    words = ["-c", program] if command[0] == "-m" else ["-c", f"{spy}; {command[1]}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "PASSIVE False"


def test_the_tests_themselves_wait_passively():
    assert "OMP_WAIT_POLICY" in os.environ
