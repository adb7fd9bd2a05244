"""What ``oauthtrace capture`` gives to mitmproxy's option ``-s``."""

from oauthtrace.capture import OAuthTrace

addons = [OAuthTrace()]
