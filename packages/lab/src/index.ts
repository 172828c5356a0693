export { machineCommands } from "./commands/index.ts";
export { type LabDefinition, LabFileError, parseLab } from "./definition.ts";
export { describeSighting, type EchoId, EchoRecorder, echoOf, type Sighting, type TunnelNames, tunnelNames } from "./journey.ts";
export { Lab, type LabNode, type LabPrograms, ProvisionError } from "./lab.ts";
export { builtinLabs } from "./labs/index.ts";
export { formatIp } from "./machine/ip.ts";
export { type Command, type CommandContext, Machine } from "./machine/machine.ts";
export { type ListenAddress, type Published, parseListen } from "./publish.ts";
export {
  type FaultText,
  faultReply,
  JsonLines,
  jsonLine,
  type LabReply,
  type LabRequest,
  type LabStatus,
  serveLab,
} from "./server.ts";
