from . import stages as stages
from .config import ConnectivityRecipe as ConnectivityRecipe
from .rows import GraphRow as GraphRow
