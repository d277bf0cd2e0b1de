"""All routes: the API, each app's pages, Django's admin."""

from django.contrib import admin
from django.urls import include, path

from accord.api import api

urlpatterns = [
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("web.urls")),
    path("", include("annotation.urls")),
    path("", include("reviewing.urls")),
    path("", include("alignment.urls")),
]

handler400 = "web.errors.bad_request"
handler403 = "web.errors.forbidden"
handler404 = "web.errors.not_found"
handler429 = "web.errors.too_many_requests"
handler500 = "web.errors.server_error"
