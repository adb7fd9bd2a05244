"""What wraps the lines of a log: container runtimes, syslog, collectors. Formats know nothing of it."""
