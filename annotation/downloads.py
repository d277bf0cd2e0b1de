"""What the API and the page share of an export: the filter of an address, and the file as an answer."""

from collections.abc import Iterator

from django.http import HttpRequest, QueryDict, StreamingHttpResponse

from accounts.auth import signed_in
from accounts.errors import Invalid
from annotation.exported import export_of, exported_records
from annotation.exporting.encoding import CONTENT_TYPES
from annotation.exporting.manifest import Export
from annotation.filters import SWITCHES, PreferenceFilter, from_parameters
from annotation.models import Project
from annotation.services.exchange import export_note, export_tell, filter_named
from annotation.streaming import stream

FALSE = ("", "0", "false", "off", "no")


def chosen_by(parameters: QueryDict, project: Project) -> PreferenceFilter:
    """The filter that an address or a form names, or spells out. Raises Invalid or NotFound."""
    if saved := parameters.get("saved"):
        return filter_named(project, saved)
    given = {name: values for name, values in parameters.lists() if name not in SWITCHES}
    given.update({name: ["1"] for name in SWITCHES if parameters.get(name, "").lower() not in FALSE})
    try:
        return from_parameters(given)
    except ValueError as error:
        raise Invalid(str(error)) from error


def export_response(
    request: HttpRequest, project: Project, chosen: PreferenceFilter, format_: str, encoding: str
) -> StreamingHttpResponse:
    """The file as a download, and a row in the audit log."""
    export = export_of(project, chosen, format_=format_, encoding=encoding)
    about = {"format": format_, "encoding": encoding, "filter": chosen.as_json()}
    export_note(project, about, actor=signed_in(request))
    return stream(
        request,
        _told(export, project, chosen),
        name=file_name(project, encoding),
        content_type=CONTENT_TYPES[encoding],
    )


def export_pieces(export: Export, project: Project, chosen: PreferenceFilter) -> Iterator[bytes]:
    """The bytes of the file; `export` has its manifest once they are all read."""
    return export.pieces(file_name(project, export.encoding), exported_records(project, chosen))


def _told(export: Export, project: Project, chosen: PreferenceFilter) -> Iterator[bytes]:
    """The same; webhooks hear of it once the last of them is sent."""
    yield from export_pieces(export, project, chosen)
    export_tell(project, export.manifest())


def file_name(project: Project, encoding: str) -> str:
    """What a browser calls the download."""
    return f"{project.slug}-preferences.{encoding}"
