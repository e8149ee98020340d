/** What is sent and received, by name. */
import type { components, operations } from "./generated/api.ts";

type Schemas = components["schemas"];
export type Capabilities = Schemas["Capabilities"];
export type ClientToken = Schemas["ClientToken"];
export type CreatedClientToken = Schemas["CreatedClientToken"];
export type CreditBalance = Schemas["CreditBalance"];
export type CreditEntry = Schemas["CreditEntry"];
export type Generation = Schemas["Generation"];
export type GenerationEvent = Schemas["GenerationEvent"];
export type GenerationInput = Schemas["GenerationInput"];
export type GenerationOutput = Schemas["GenerationOutput"];
export type GenerationRequest = Schemas["GenerationRequest"];
export type GenerationTimeline = Schemas["GenerationTimeline"];
export type NewClientToken = Schemas["NewClientToken"];
export type NewWebhook = Schemas["NewWebhook"];
export type Problem = Schemas["Problem"];
export type Quote = Schemas["Quote"];
export type Receipt = Schemas["Receipt"];
export type ReceiptStatement = Schemas["ReceiptStatement"];
export type SignedReceipt = Schemas["SignedReceipt"];
export type Upload = Schemas["Upload"];
export type UploadTarget = Schemas["UploadTarget"];
export type UsagePage = Schemas["UsagePage"];
export type UsageRow = Schemas["UsageRow"];
export type Webhook = Schemas["Webhook"];
export type WebhookChange = Schemas["WebhookChange"];
export type WebhookDelivery = Schemas["WebhookDelivery"];
export type WebhookSigningSecret = Schemas["WebhookSigningSecret"];
export type WebhookWithSecret = Schemas["WebhookWithSecret"];
export type GenerationFilter = Pick<NonNullable<operations["listGenerations"]["parameters"]["query"]>, "status" | "kind">;
export type DeliveryFilter = Pick<
  NonNullable<operations["listWebhookDeliveries"]["parameters"]["query"]>,
  "state" | "generation_id"
>;
