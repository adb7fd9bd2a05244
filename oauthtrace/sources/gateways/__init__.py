"""Access and error logs of reverse proxies, gateways, load balancers and CDNs. One module is one format."""
