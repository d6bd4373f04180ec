"""fabula.api.ticket.v1: tickets, for readers that cannot send a token."""
