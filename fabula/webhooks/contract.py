"""The service of webhooks, as clients and edges see one. It has no port of its own: every generator's server answers.

Whoever asks needs nothing else of this package.
"""

from __future__ import annotations

from fabula.api.webhook.v1 import webhook_pb2 as pb
from fabula.rpc.kinds import Kind

WEBHOOKS = Kind("webhook", pb, "fabula.api.webhook.v1.WebhookService", 0)
