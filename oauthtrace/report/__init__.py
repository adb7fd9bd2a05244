"""The HTML report: one self-contained file that is readable without scripts and asks for nothing from anywhere.

:mod:`~oauthtrace.report.view` builds the model from the frames, ``texts.toml`` holds the words, ``templates/`` the
markup, ``style.css`` and ``script.js`` what is inlined; :func:`oauthtrace.report.page.render` puts them together. A
Content-Security-Policy allows these two by their hashes and nothing else.
"""
