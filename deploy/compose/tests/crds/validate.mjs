// Reads a list of manifests as JSON, prints a list with what is wrong with each: null, or the validator's words.

import { text } from "node:stream/consumers";
import { Cluster } from "@kubernetes-models/cloudnative-pg/postgresql.cnpg.io/v1/Cluster";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";

function faultOf(manifest) {
  const Model = [Cluster, ScaledObject, ServiceMonitor].find((model) => model.is(manifest));
  if (Model === undefined) return `no schema of ${manifest.apiVersion} ${manifest.kind}`;
  try {
    new Model(manifest).validate();
    return null;
  } catch (error) {
    return error.message;
  }
}

console.log(JSON.stringify(JSON.parse(await text(process.stdin)).map(faultOf)));
