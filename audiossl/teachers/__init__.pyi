from .dasheng import DashengEncoder as DashengEncoder
from .hama import HamaConformer as HamaConformer
from .hugging_face import HuggingFaceEncoder as HuggingFaceEncoder
from .logmel import LogMelEncoder as LogMelEncoder
from .resemblyzer import Resemblyzer as Resemblyzer
from .teacher import Teacher as Teacher
from .teacher import TeacherConfig as TeacherConfig
from .teacher import load_teacher as load_teacher
