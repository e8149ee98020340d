"""The routes of the API, by operation.

Generated from clients/openapi.json, SHA-256 0afddd49bd94e5b8.
"""

from atelier_client.route import Route

CREATE_GENERATION = Route("POST", "/v1/generations")
LIST_GENERATIONS = Route("GET", "/v1/generations")
GET_GENERATION = Route("GET", "/v1/generations/{id}")
DELETE_GENERATION = Route("DELETE", "/v1/generations/{id}")
GET_CAPABILITIES = Route("GET", "/v1/capabilities")
CANCEL_GENERATION = Route("POST", "/v1/generations/{id}/cancel")
EXPLAIN_GENERATION = Route("GET", "/v1/generations/{id}/explain")
GET_RECEIPT = Route("GET", "/v1/generations/{id}/receipt")
STREAM_GENERATION_EVENTS = Route("GET", "/v1/generations/{id}/events")
CREATE_QUOTE = Route("POST", "/v1/quotes")
GET_CREDIT_BALANCE = Route("GET", "/v1/credits")
LIST_CREDIT_ENTRIES = Route("GET", "/v1/credits/entries")
CREATE_UPLOAD = Route("POST", "/v1/uploads")
LIST_UPLOADS = Route("GET", "/v1/uploads")
GET_UPLOAD = Route("GET", "/v1/uploads/{id}")
DELETE_UPLOAD = Route("DELETE", "/v1/uploads/{id}")
GET_WEBHOOK_SIGNING_SECRET = Route("GET", "/v1/webhooks/secret")
ROTATE_WEBHOOK_SIGNING_SECRET = Route("POST", "/v1/webhooks/secret/rotate")
LIST_WEBHOOK_DELIVERIES = Route("GET", "/v1/webhooks/deliveries")
GET_WEBHOOK_DELIVERY = Route("GET", "/v1/webhooks/deliveries/{id}")
LIST_DELIVERIES_OF_WEBHOOK = Route("GET", "/v1/webhooks/{id}/deliveries")
REPLAY_WEBHOOK_DELIVERY = Route("POST", "/v1/webhooks/deliveries/{id}/replay")
CREATE_WEBHOOK = Route("POST", "/v1/webhooks")
LIST_WEBHOOKS = Route("GET", "/v1/webhooks")
GET_WEBHOOK = Route("GET", "/v1/webhooks/{id}")
UPDATE_WEBHOOK = Route("PATCH", "/v1/webhooks/{id}")
DELETE_WEBHOOK = Route("DELETE", "/v1/webhooks/{id}")
ROTATE_WEBHOOK_SECRET = Route("POST", "/v1/webhooks/{id}/rotate-secret")
TEST_WEBHOOK = Route("POST", "/v1/webhooks/{id}/test")
