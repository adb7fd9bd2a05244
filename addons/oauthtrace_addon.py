"""The addon without the command line: ``mitmdump -s addons/oauthtrace_addon.py --set oauthtrace_db=FILE``.

mitmproxy has to run in the Python environment that has oauthtrace; works with mitmdump, mitmproxy and mitmweb.
"""

from oauthtrace.capture import OAuthTrace

addons = [OAuthTrace()]
