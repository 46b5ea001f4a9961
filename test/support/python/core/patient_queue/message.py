"""PIXL's message as its Python services have it: the module's and the class's names go on the wire."""

from dataclasses import dataclass
from datetime import date, datetime

import jsonpickle


@dataclass
class Message:
    mrn: str
    accession_number: str
    study_uid: str
    series_uid: str
    study_date: date
    procedure_occurrence_id: int
    project_name: str
    extract_generated_timestamp: datetime

    def serialise(self) -> bytes:
        return str.encode(jsonpickle.encode(self))
