from . import stages as stages
from .config import SemiRecipe as SemiRecipe
