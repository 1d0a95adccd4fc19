"""What a run recorded: a folder of Parquet tables, the writer that fills it and the questions put to it."""

from undertow.tape.folder import RunFolder
from undertow.tape.query import Tape
from undertow.tape.writer import TapeWriter

__all__ = ["RunFolder", "Tape", "TapeWriter"]
