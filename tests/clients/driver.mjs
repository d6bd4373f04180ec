// Lets the official Socket.IO client do what a test says, one JSON object a line, and tells what it sees the same way.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const sockets = new Map();

const tell = (id, event, args) => process.stdout.write(`${JSON.stringify({ id, event, args })}\n`);

const commands = {
  // Each socket has a manager of its own, unless it is told to share another one's.
  connect({ id, url, namespace, options, shares }) {
    const socket = shares
      ? sockets.get(shares).io.socket(namespace, options)
      : io(url + namespace, { forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 200, ...options });
    sockets.set(id, socket);
    socket.on("connect", () => tell(id, "connect", [socket.io.engine.transport.name]));
    socket.on("disconnect", (reason) => tell(id, "disconnect", [reason]));
    socket.on("connect_error", (error) => tell(id, "connect_error", [error.message, error.data ?? null]));
    socket.onAny((event, ...args) => tell(id, event, args));
    socket.io.on("reconnect", () => tell(id, "manager reconnect", []));
    socket.io.on("open", () => {
      socket.io.engine.once("upgrade", (transport) => tell(id, "upgrade", [transport.name]));
    });
  },
  emit({ id, event, args }) {
    sockets.get(id).emit(event, ...args);
  },
  async ask({ id, event, args }) {
    tell(id, "answer", [await sockets.get(id).timeout(10_000).emitWithAck(event, ...args)]);
  },
  // What is sent when the connection is made again.
  auth({ id, auth }) {
    sockets.get(id).auth = auth;
  },
  // The network goes away below the client.
  cut({ id }) {
    sockets.get(id).io.engine.close();
  },
  disconnect({ id }) {
    sockets.get(id).disconnect();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...command } = JSON.parse(line);
  Promise.resolve(commands[op](command)).catch((error) => tell(command.id, "failed", [String(error)]));
}
process.exit(0);
