from .environments import KITS as KITS
from .environments import run_kit as run_kit
from .hear_runs import run_heareval as run_heareval
from .hear_runs import validate_hear_module as validate_hear_module
from .making import make_kit as make_kit
from .mteb_runs import run_mteb as run_mteb
from .runs import run_s3prl_problem as run_s3prl_problem
from .superb_problems import evaluate_superb_by_kit as evaluate_superb_by_kit
