"""Django's admin app with our site; apart from the site, which needs tables that load after the apps."""

from django.contrib.admin.apps import AdminConfig


class StaffOnlyAdminConfig(AdminConfig):
    """What INSTALLED_APPS names."""

    default_site = "web.admin_site.StaffOnlySite"
