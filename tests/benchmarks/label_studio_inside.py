"""What runs in Label Studio's own environment; imports nothing of ours.

    PYTHON label_studio_inside.py fill JSON_IN JSON_OUT   tables, people, a project with its tasks
    PYTHON label_studio_inside.py web DESCRIPTOR          answers on that socket

It is started with Label Studio's package folder as PYTHONPATH. `web` is the server that its own command
line starts, Django's, without that command line: it asks questions and looks for newer versions.
"""

import json
import socket
import sys
from pathlib import Path
from typing import Any

import django

LABEL_CONFIG = """
<View>
  <Text name="prompt" value="$prompt"/>
  <Text name="left" value="$left"/>
  <Text name="right" value="$right"/>
  <Pairwise name="preferred" toName="left,right"/>
  <Choices name="strength" toName="left">
    <Choice value="significantly_better"/><Choice value="better"/><Choice value="slightly_better"/>
  </Choices>
</View>
"""


def fill(wanted: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    """People with a token each and a project of tasks, all copies of one row.

    In: `num_people`, `num_tasks`, `overlap`, `data` of a task. Out: `project`, `people` as [id, token].
    """
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    user_model = _model("users.User")
    users = [
        user_model.objects.create_user(email=f"person{number}@example.com", password="not used at all")
        for number in range(wanted["num_people"])
    ]
    organization = _model("organizations.Organization").create_organization(
        created_by=users[0], title="Load", legacy_api_tokens_enabled=True
    )
    for user in users:
        organization.add_user(user)
        user.active_organization = organization
        user.save()
    project = _model("projects.Project").objects.create(
        title="Load",
        label_config=LABEL_CONFIG,
        maximum_annotations=wanted["overlap"],
        created_by=users[0],
        organization=organization,
    )
    task = _model("tasks.Task").objects.create(
        project=project, data=wanted["data"], overlap=wanted["overlap"], inner_id=1
    )
    fields = [field for field in task._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(
        "t.inner_id + n" if field.column == "inner_id" else f't."{field.column}"' for field in fields
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO task ({columns}) SELECT {values} FROM task t, generate_series(1, %s) AS n "
            "WHERE t.id = %s",
            [wanted["num_tasks"] - 1, task.pk],
        )
        cursor.execute("ANALYZE")
    return {"project": project.pk, "people": [[user.pk, user.auth_token.key] for user in users]}


def _model(label: str) -> Any:  # Any: its classes are known only in its own environment
    from django.apps import apps

    return apps.get_model(label)


def serve(descriptor: int) -> None:
    """Answer until the process is ended; a thread for each connection."""
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    class QuietHandler(WSGIRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def address_string(self) -> str:
            return str(self.client_address[0])

    listener = socket.socket(fileno=descriptor)
    host, port = listener.getsockname()[:2]
    server = ThreadedWSGIServer((host, port), QuietHandler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = host, port
    server.setup_environ()
    server.set_app(get_wsgi_application())
    server.serve_forever()


def main() -> None:
    """Do what is asked for."""
    django.setup()
    if sys.argv[1] == "web":
        serve(int(sys.argv[2]))
    else:
        Path(sys.argv[3]).write_text(json.dumps(fill(json.loads(Path(sys.argv[2]).read_text()))))


if __name__ == "__main__":
    main()
