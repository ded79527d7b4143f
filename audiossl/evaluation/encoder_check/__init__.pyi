from .report import check_encoder as check_encoder
from .report import has_failed as has_failed
