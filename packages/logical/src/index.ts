/** The logical flow language of OVN: matches and actions, parsed, typed, printed, compiled to OpenFlow, interpreted. */

export { encodeActions, encodeEverywhere } from "./actions/encode.ts";
export { routerAdvertisementMessage } from "./actions/encodeOptions.ts";
export { type EncodeOptions, subfieldOf } from "./actions/encodeParts.ts";
export { formatAction, formatActions } from "./actions/format.ts";
export { type GroupRequest, groupKey, type MeterRequest } from "./actions/groups.ts";
export { type DhcpOptionType, type ParseActionsOptions, type ParsedActions, parseActions } from "./actions/parse.ts";
export { OPENFLOW_TABLES, openflowTable, TABLES } from "./actions/tables.ts";
export type * from "./actions/types.ts";
export { OPCODES, type Opcode } from "./actions/userdata.ts";
export { LogicalError, type LogicalErrorCode } from "./error.ts";
export { formatInteger, type IntegerFormat, quote } from "./lexer.ts";
export { nodeOf as conditionOf } from "./match/annotate.ts";
export {
  type CompileOptions,
  type ConjunctionRef,
  compileMatch,
  conjunctionIdOf,
  DEFAULT_LIMIT,
  type FlowMatch,
  type InstantiateOptions,
  MatchTemplate,
} from "./match/compile.ts";
export {
  type EvaluationScope,
  evaluateMatch,
  evaluateNode,
  formatNode,
  microflow,
  type PreparedMatch,
  prepareMatch,
} from "./match/evaluate.ts";
export {
  type Combination,
  type Comparison,
  type Constant,
  type Expression,
  type FieldRef,
  formatExpression,
  formatField,
  type IntegerConstant,
  type Literal,
  type Relation,
  type Residence,
  type StringConstant,
} from "./match/expression.ts";
export { type ParsedMatch, parseMatch } from "./match/parse.ts";
export { MatchShapes } from "./match/shape.ts";
export { translated } from "./match/translate.ts";
export type { Names, References } from "./reader.ts";
export { type Level, type LogicalSymbol, SYMBOLS, type SymbolKind } from "./symbols.ts";
export { type ExpandedTemplate, expandTemplates } from "./template.ts";
