from . import stages as stages
from .config import SensorsRecipe as SensorsRecipe
