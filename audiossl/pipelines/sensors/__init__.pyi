from . import stages as stages
from .config import SensorsRecipe as SensorsRecipe
from .rows import Row as Row
