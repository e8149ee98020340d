/** The endpoints that the service calls, and what it sent them. */
import type { Client } from "openapi-fetch";
import type { paths } from "./generated/api.ts";
import type * as models from "./models.ts";
import { allOf } from "./pages.ts";

/** `atelier.webhooks`. */
export class WebhookEndpoints {
  readonly #api: Client<paths>;

  constructor(api: Client<paths>) {
    this.#api = api;
  }

  /** A new endpoint. Keep its `secret`: it is shown this once. */
  async create(endpoint: models.NewWebhook): Promise<models.WebhookWithSecret> {
    return (await this.#api.POST("/v1/webhooks", { body: endpoint })).data!;
  }

  /** All endpoints, newest first. */
  async *list(): AsyncGenerator<models.Webhook> {
    yield* allOf((query) => this.#api.GET("/v1/webhooks", { params: { query } }));
  }

  /** An endpoint. */
  async get(id: string): Promise<models.Webhook> {
    return (await this.#api.GET("/v1/webhooks/{id}", { params: { path: { id } } })).data!;
  }

  /** Changes the fields that are named. */
  async update(id: string, change: models.WebhookChange): Promise<models.Webhook> {
    return (await this.#api.PATCH("/v1/webhooks/{id}", { params: { path: { id } }, body: change })).data!;
  }

  /** Removes an endpoint. */
  async delete(id: string): Promise<void> {
    await this.#api.DELETE("/v1/webhooks/{id}", { params: { path: { id } } });
  }

  /** A new secret; the old one signs, too, for 24 hours. */
  async rotateSecret(id: string): Promise<models.WebhookWithSecret> {
    return (await this.#api.POST("/v1/webhooks/{id}/rotate-secret", { params: { path: { id } } })).data!;
  }

  /** Sends a `webhook.test`. */
  async test(id: string): Promise<models.WebhookDelivery> {
    return (await this.#api.POST("/v1/webhooks/{id}/test", { params: { path: { id } } })).data!;
  }

  /** What was sent, newest first, with every attempt. */
  async *deliveries(filter: models.DeliveryFilter = {}): AsyncGenerator<models.WebhookDelivery> {
    yield* allOf((paging) =>
      this.#api.GET("/v1/webhooks/deliveries", { params: { query: { ...filter, ...paging } } }),
    );
  }

  /** Sends a delivery again, under its `webhook-id`. */
  async replay(deliveryId: string): Promise<models.WebhookDelivery> {
    const params = { path: { id: deliveryId } };
    return (await this.#api.POST("/v1/webhooks/deliveries/{id}/replay", { params })).data!;
  }

  /** What signs calls to the `webhook_url` of single requests. */
  async secret(): Promise<models.WebhookSigningSecret> {
    return (await this.#api.GET("/v1/webhooks/secret")).data!;
  }

  /** Replaces it; the old one signs, too, for 24 hours. */
  async rotateSigningSecret(): Promise<models.WebhookSigningSecret> {
    return (await this.#api.POST("/v1/webhooks/secret/rotate")).data!;
  }
}
