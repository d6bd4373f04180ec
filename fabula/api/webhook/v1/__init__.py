"""fabula.api.webhook.v1: webhooks, their secrets and deliveries."""
