"""The ASGI application that the web server runs."""

import django

from accord.env import settings_module_default
from accord.handler import ThreadedHandler

settings_module_default()
django.setup(set_prefix=False)
application = ThreadedHandler()
