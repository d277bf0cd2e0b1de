"""The ASGI application that the web server runs."""

import gc

import django
from django.urls import get_resolver

from accord.env import settings_module_default
from accord.handler import ThreadedHandler

settings_module_default()
django.setup(set_prefix=False)
application = ThreadedHandler()
# All pages are imported before the first request, and what then stays for ever is looked through for garbage
# once and never while somebody waits: that took up to 200 ms.
assert get_resolver().url_patterns
gc.collect()
gc.freeze()
