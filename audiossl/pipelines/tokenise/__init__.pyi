from .corpus import encode_corpus as encode_corpus
from .corpus import fit_to_corpus as fit_to_corpus
from .corpus import measure_tokens as measure_tokens
from .folders import encode_recordings as encode_recordings
from .folders import fit_tokeniser as fit_tokeniser
from .folders import report_tokens as report_tokens
