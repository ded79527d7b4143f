from . import stages as stages
from .config import FinetuneRecipe as FinetuneRecipe
from .models import check_unseen as check_unseen
from .stages import check_prepared as check_prepared
