// Calls rpcs from a page with the official clients of gRPC-Web, as a test says; messages come and go as JSON.
import { createFileRegistry, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import grpcWeb from "grpc-web";

const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
const text = (data) => btoa(String.fromCharCode(...data));

let registry;

// The contract, as `protoc --descriptor_set_out --include_imports` writes it, in base64.
export function learn(contract) {
  registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes(contract)));
}

// Connect for Web. `stopAfter`: hang up after so many messages.
export async function connect({ url, service, method, request, headers, timeoutMs, stopAfter }) {
  const described = registry.getService(service);
  const { input, output, methodKind, localName } = described.methods.find((each) => each.name === method);
  const client = createClient(described, createGrpcWebTransport({ baseUrl: url }));
  const hangUp = new AbortController();
  const options = { headers, timeoutMs, signal: hangUp.signal };
  const messages = [];
  try {
    const asked = fromJson(input, request);
    if (methodKind === "unary") {
      messages.push(toJson(output, await client[localName](asked, options), { registry }));
    } else {
      for await (const each of client[localName](asked, options)) {
        messages.push(toJson(output, each, { registry }));
        if (messages.length === stopAfter) hangUp.abort();
      }
    }
  } catch (error) {
    const details = (error.details ?? []).map(({ type, value }) => ({ type, value: text(value) }));
    return { messages, error: { code: error.code, message: error.rawMessage ?? String(error), details } };
  }
  return { messages };
}

// Google's own client, which speaks text or binary; it streams in text only.
export function google({ url, service, method, request, headers, format, stopAfter }) {
  const { input, output, methodKind } = registry.getService(service).methods.find((each) => each.name === method);
  const client = new grpcWeb.GrpcWebClientBase({ format });
  const kind = methodKind === "unary" ? grpcWeb.MethodType.UNARY : grpcWeb.MethodType.SERVER_STREAMING;
  const descriptor = new grpcWeb.MethodDescriptor(
    `/${service}/${method}`, kind, Object, Object,
    (message) => toBinary(input, message), (data) => toJson(output, fromBinary(output, data), { registry }),
  );
  const path = `${url}/${service}/${method}`;
  return new Promise((resolve) => {
    const messages = [];
    const fail = ({ code, message, metadata }) => resolve({ messages, error: { code, message, metadata } });
    const asked = fromJson(input, request);
    if (kind === grpcWeb.MethodType.UNARY) {
      client.rpcCall(path, asked, headers, descriptor, (error, message) => {
        if (error) fail(error);
        else resolve({ messages: [message] });
      });
      return;
    }
    const stream = client.serverStreaming(path, asked, headers, descriptor);
    stream.on("data", (message) => {
      messages.push(message);
      if (messages.length === stopAfter) {
        stream.cancel();
        resolve({ messages });
      }
    });
    stream.on("error", fail);
    stream.on("end", () => resolve({ messages }));
  });
}
