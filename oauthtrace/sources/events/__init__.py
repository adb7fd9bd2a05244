"""Event logs of identity providers and of identity-aware proxies. One module is one format."""
