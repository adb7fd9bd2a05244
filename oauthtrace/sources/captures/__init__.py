"""Captures: requests and answers with their bodies. One module is one format."""
