export { type Channel, type ChannelHandlers, channelPair, streamChannel } from "./channel.ts";
export { Connection, type ConnectionHandlers, DEFAULT_PROBE, RpcError } from "./connection.ts";
export { Framer, FramingError, MAX_MESSAGE } from "./framer.ts";
export { isArray, isObject, type Json, JsonError, type JsonObject, parseJson, stringifyJson } from "./json.ts";
export {
  isReply,
  isRequest,
  type Message,
  MessageError,
  messageFrom,
  type Notification,
  type Reply,
  type Request,
  SharedMessage,
} from "./message.ts";
