"""
Publishes messages as PIXL's CLI does: jsonpickle bodies, by pika.

Reads from standard input {"url": ..., "queue": ..., "priority": ..., "messages": [{field: text, ...}, ...]}.
"""

import json
import sys
from datetime import date, datetime

import pika
from core.patient_queue.message import Message

PERSISTENT = 2


def message_of(fields: dict) -> Message:
    return Message(
        mrn=fields["mrn"],
        accession_number=fields["accession_number"],
        study_uid=fields["study_uid"],
        series_uid=fields.get("series_uid", ""),
        study_date=date.fromisoformat(fields["study_date"]),
        procedure_occurrence_id=fields["procedure_occurrence_id"],
        project_name=fields["project_name"],
        extract_generated_timestamp=datetime.fromisoformat(fields["extract_generated_timestamp"]),
    )


def main() -> None:
    order = json.load(sys.stdin)
    connection = pika.BlockingConnection(pika.URLParameters(order["url"]))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue=order["queue"], durable=True, arguments={"x-max-priority": 5})
        for fields in order["messages"]:
            channel.basic_publish(
                exchange="",
                routing_key=order["queue"],
                body=message_of(fields).serialise(),
                properties=pika.BasicProperties(delivery_mode=PERSISTENT, priority=order["priority"]),
                mandatory=True,
            )
    finally:
        connection.close()


if __name__ == "__main__":
    main()
