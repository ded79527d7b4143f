from . import stages as stages
from .config import SpearRecipe as SpearRecipe
from .stages import check_prepared as check_prepared
