"""The ASGI application that the web server runs."""

from django.core.asgi import get_asgi_application

from accord.env import settings_module_default

settings_module_default()
application = get_asgi_application()
