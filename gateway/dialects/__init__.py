"""Dialects: pure translations of the one native stream into what a front end expects. They know no sockets."""
