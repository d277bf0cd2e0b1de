"""The ASGI application that the web server runs."""

from accord.env import settings_module_default
from django.core.asgi import get_asgi_application

settings_module_default()
application = get_asgi_application()
