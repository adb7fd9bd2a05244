"""Makes the samples: real servers, a real proxy and real clients on the loopback interface."""
